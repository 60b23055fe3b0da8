"""What the launcher of Kubeflow Pipelines and a pod agree on: messages, bucket URIs, and where buckets are copied."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from belka.errors import InputError

# JSON of Kubeflow's ExecutorInput, ExecutorOutput and ComponentInputsSpec (pipeline_spec.proto).
Json = dict[str, Any]

EXECUTOR_LOGS: Final = "executor-logs"
RUNTIME_SETTING_FLAG: Final = "--runtime_setting"  # of the entrypoint: a parameter that is a setting of the run
SHARED_FOLDER_FLAG: Final = "--shared_folder"  # of the entrypoint: on a volume that the workers of a Beam engine see
STORE_ROOT_VARIABLE: Final = "BELKA_STORE_ROOT"  # where the launcher's folders gcs, s3 and minio lie; "/" in a pod
# Source: LocalPathForURI of the launcher, kubeflow/pipelines backend/src/v2/component/launcher_v2.go.
FOLDERS: Final = {"gs": "gcs", "s3": "s3", "minio": "minio"}


def artifacts_of(side: Json) -> Iterator[tuple[str, Json]]:
    """Every artifact with its key, of the inputs or the outputs of an ExecutorInput."""
    for key, listed in side.get("artifacts", {}).items():
        for artifact in listed["artifacts"]:
            yield key, artifact


def title_of(artifact_type: Json) -> str:
    """The title of an artifact's type, such as `system.Metrics` or `tfx.Model`; empty for an empty type."""
    schema = str(artifact_type.get("instanceSchema", "")).strip().partition("\n")[0]
    return str(artifact_type.get("schemaTitle") or schema.removeprefix("title:").strip())


def is_bucket_uri(uri: str) -> bool:
    """Whether the launcher copies this URI."""
    scheme, separator, rest = uri.partition("://")
    return bool(separator and rest) and scheme in FOLDERS


def check_bucket(uri: str, name: str, action: str) -> None:
    """Check that the launcher copies what lies below a URI.

    Args:
        uri: The URI.
        name: What the URI is, for the message.
        action: What to do when it is not supported.

    Raises:
        InputError: It is not supported.
    """
    if not is_bucket_uri(uri):
        raise InputError(
            f"{name} is no bucket that Kubeflow Pipelines supports.",
            received=uri,
            expected=f"one of {', '.join(f'{scheme}://bucket/prefix' for scheme in FOLDERS)}",
            action=action,
        )


def task_folder(uri: str) -> Path:
    """What names a task of a run, from the URI of one of its outputs: every attempt of the task is given the same one.

    Args:
        uri: `<pipeline root>/<pipeline>/<run>/<task>/<salt>/<output>`.
    """
    return Path(*uri.rstrip("/").split("/")[-4:-1])


def local_path(uri: str, store_root: Path) -> Path:
    """The path at which a pod finds or leaves what a URI names.

    Args:
        uri: gs://, s3:// or minio://bucket/key, or a plain path, which stays as it is.
        store_root: Folder that holds `gcs`, `s3` and `minio`; the file system's root in a pod.
    """
    if not is_bucket_uri(uri):
        return Path(uri)
    scheme, _, rest = uri.partition("://")
    return store_root / FOLDERS[scheme] / rest
