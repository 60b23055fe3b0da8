"""Checks before anything is submitted: what the cluster would refuse or run wrongly ends here, with what to do."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from belka.errors import InputError
from belka.redaction import is_secret, without_secrets
from pipeline.runners.kubeflow.pipeline_file import SCHEMA_VERSION, component_of, executor_of, parameters_of, tasks_of
from pipeline.runners.kubeflow.postprocess import condition_inputs
from pipeline.runners.kubeflow.protocol import Json, check_bucket, title_of
from pipeline.runners.kubeflow.settings import KubeflowSettings

PIPELINE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,21}")
# Argo makes a pod's name of the task's; a pod's name and label end at 63 characters.
TASK_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")
ARTIFACT_TITLE: Final = re.compile(r"[a-z][a-z0-9-_]{2,20}\.[A-Z][a-zA-Z0-9-_]{2,49}")
IMAGE: Final = re.compile(
    r"(?P<name>[a-z0-9]+([._/:-]+[a-z0-9]+)*?)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?P<digest>@sha256:[0-9a-f]{64})?"
)

ENV_SECRET: Final = "belka-env"  # noqa: S105 - a name


def check_settings(settings: KubeflowSettings, nodes: Sequence[str]) -> list[str]:
    """Check the section `kubeflow` against the pipeline's nodes.

    Args:
        settings: The section.
        nodes: Node ids of the pipeline.

    Returns:
        Warnings: what may be meant so but usually is not.

    Raises:
        InputError: An unknown node, an image that is missing or mutable, or an unsupported bucket.
    """
    named = {*settings.nodes, *(node for volume in settings.volumes for node in volume.nodes)}
    if unknown := sorted(named - set(nodes)):
        raise InputError(
            "The section kubeflow.nodes or kubeflow.volumes names a node that the pipeline does not have.",
            received=", ".join(unknown),
            expected=f"some of {', '.join(nodes)}",
            action="Correct the node ids in the section kubeflow.",
        )
    if settings.pipeline_root is not None:
        action = "Name a supported bucket, or null for the installation's default."
        check_bucket(settings.pipeline_root, "The value of kubeflow.pipeline_root", action)
    check_env(settings)
    warnings: list[str] = []
    for name in nodes:
        check_image(settings.node_image(name), name, allow_tag=settings.allow_image_tag)
        node = settings.node(name)
        if node.spot:
            warnings += _spot_problems(name, settings)
        if node.gpus and not node.node_selector and not node.tolerations:
            warnings.append(
                f"{name} asks for {node.gpus} {node.gpu_type} without a node selector or toleration: the pod waits for "
                f"ever where no untainted node has one (set kubeflow.nodes.{name}.node_selector or .tolerations)."
            )
    return warnings


def _spot_problems(name: str, settings: KubeflowSettings) -> Iterator[str]:
    if not settings.spot.node_selector and not settings.spot.tolerations:
        yield f"{name} is to run on spot nodes, but kubeflow.spot names none (set its node_selector or tolerations)."
    if not settings.retry.retries:
        yield f"{name} is to run on spot nodes, but kubeflow.retry.retries is 0: a node taken away ends the run."


def check_env(settings: KubeflowSettings) -> None:
    """Check that no environment variable holds a secret: the compiled file, the runs' database and pods would show it.

    Args:
        settings: The section `kubeflow`.

    Raises:
        InputError: One looks like a secret; its value is not repeated.
    """
    found = [name for name, value in settings.env.items() if is_secret(name, value)]
    if found:
        literals = " ".join(f"--from-literal={name}=..." for name in found)
        entries = ", ".join(f"{{secret: {ENV_SECRET}, key: {name}, variable: {name}}}" for name in found)
        raise InputError(
            "A value of kubeflow.env looks like a secret: whoever sees the pipeline, a run or a pod would read it.",
            received=f"kubeflow.env: {', '.join(found)} (the value is not repeated here)",
            expected="secrets in a Kubernetes Secret, named in kubeflow.secrets",
            action=f"Make one: kubectl create secret generic {ENV_SECRET} -n {settings.namespace} {literals}; take the "
            f"value out of kubeflow.env and name the secret instead: kubeflow.secrets=[{entries}].",
        )


def check_beam_options(options: Sequence[object]) -> None:
    """Check that no option of Beam holds a secret: every task of the compiled file has them all.

    Args:
        options: The options; what is no text has its value at run time only.

    Raises:
        InputError: One looks like a secret; its value is not repeated.
    """
    found = [without_secrets(each) for each in options if isinstance(each, str) and without_secrets(each) != each]
    if found:
        raise InputError(
            "A value of beam.options looks like a secret: whoever sees the pipeline or a run would read it.",
            received=f"beam.options: {', '.join(found)}",
            expected="options that anybody may read; secrets in a Kubernetes Secret, named in kubeflow.secrets",
            action="Take the option out, and let the workers of the engine read the secret from their environment.",
        )


def check_image(image: str | None, node: str, *, allow_tag: bool) -> None:
    """Check that an image reference always means the same bytes.

    Args:
        image: The reference.
        node: The node it is for.
        allow_tag: Whether a tag is enough.

    Raises:
        InputError: It is missing, malformed or mutable.
    """
    match = IMAGE.fullmatch(image or "")
    if match and match["digest"]:
        return
    expected = "registry/name@sha256:<64 hexadecimal digits>"
    action = "Push the image and take the digest that the push prints: --set kubeflow.image=registry/belka@sha256:..."
    if image is None:
        problem = f"There is no image for {node}."
    elif match is None:
        problem = f"The image of {node} is no image reference."
    elif not allow_tag:
        problem = f"The image of {node} has no digest: what it means can change, and the cache knows the text only."
        action += " Or accept tags with --set kubeflow.allow_image_tag=true."
    elif match["tag"] in {None, "latest"}:
        problem = f"The image of {node} has no tag of its own: two builds would share one cache."
        expected, action = "name:tag with a tag that is never used twice", "Give every build its own tag."
    else:
        return
    raise InputError(problem, received=image or "kubeflow.image: null", expected=expected, action=action)


def check_local(key: str, folder: str) -> None:
    """Check that a folder of the section `data` is a path of the pods' file system.

    Args:
        key: The configuration's key.
        folder: Its value.

    Raises:
        InputError: It is a URI. Components open files; the launcher copies artifacts from and to buckets, not these
            folders.
    """
    if "://" in folder:
        raise InputError(
            f"The value of {key} is no folder.",
            received=f"{key}: {folder}",
            expected="a folder on one of kubeflow.volumes; buckets are for artifacts only (kubeflow.pipeline_root)",
            action="Copy the files onto the volume (docs/kubeflow.md, section 3).",
        )


def check_folders(settings: KubeflowSettings, folders: Mapping[str, tuple[str, Iterable[str]]]) -> None:
    """Check that the folders a node reads or writes lie on a volume it mounts.

    Args:
        settings: The section `kubeflow`.
        folders: Configuration key -> (absolute path, nodes that use it).

    Raises:
        InputError: A folder would vanish with its pod.
    """
    for key, (folder, nodes) in folders.items():
        for node in nodes:
            mounts = settings.mounts(node)
            if not any(PurePosixPath(folder).is_relative_to(volume.mount_path) for volume in mounts):
                mounted = ", ".join(f"{volume.claim} at {volume.mount_path}" for volume in mounts) or "no volume"
                raise InputError(
                    f"The folder {key} lies on no persistent volume that {node} mounts.",
                    received=f"{key}: {folder}; {node} mounts {mounted}",
                    expected="a folder below the mount_path of one of kubeflow.volumes",
                    action=f"Add the claim to kubeflow.volumes, or move {key} below one that is there.",
                )


def check_spec(spec: Json) -> None:
    """Check names and types of the compiled pipeline.

    Args:
        spec: The compiled pipeline, post-processed.

    Raises:
        InputError: The API server or the workflow engine would refuse it; every problem is named.
    """
    if problems := list(_spec_problems(spec)):
        raise InputError(
            "Kubeflow Pipelines would refuse this pipeline.",
            received="; ".join(problems),
            expected="names and types as docs/kubeflow.md lists them",
            action="Rename or retype what is named above.",
        )


def _spec_problems(spec: Json) -> Iterator[str]:
    if spec.get("schemaVersion") != SCHEMA_VERSION:
        yield f"schema version {spec.get('schemaVersion')!r}, not {SCHEMA_VERSION}"
    name = spec["pipelineInfo"]["name"]
    if not PIPELINE_NAME.fullmatch(name):
        yield f"pipeline name {name!r} does not match {PIPELINE_NAME.pattern}"
    tasks = tasks_of(spec)
    for task_name, task in tasks.items():
        if not TASK_NAME.fullmatch(task_name):
            yield f"task name {task_name!r} does not match {TASK_NAME.pattern} (use .with_id)"
        executor = executor_of(spec, task_name)
        if "container" not in executor:
            yield f"task {task_name!r} is a {', '.join(executor)}, which the backend does not run"
        yield from _artifact_problems(task_name, component_of(spec, task_name))
        for parameter_name, parameter in parameters_of(task).items():
            producer = parameter.get("taskOutputParameter", {}).get("producerTask")
            if producer is not None and producer not in tasks:
                yield f"parameter {parameter_name!r} of {task_name!r} comes from {producer!r}, which is no task"
        yield from _wired_twice(task_name, task)
        for name in sorted(condition_inputs(task) - task.get("inputs", {}).get("artifacts", {}).keys()):
            yield f"the condition of {task_name!r} names {name!r}, which is no input of it"


def _wired_twice(name: str, task: Json) -> Iterator[str]:
    """ML Metadata keeps one event for an artifact, an execution and a direction: the driver fails on the second."""
    inputs: dict[str, list[str]] = {}
    for key, wired in task.get("inputs", {}).get("artifacts", {}).items():
        inputs.setdefault(json.dumps(wired, sort_keys=True), []).append(key)
    for keys in inputs.values():
        if len(keys) > 1:
            yield f"the inputs {' and '.join(sorted(keys))} of {name!r} are one artifact (wire it once)"


def _artifact_problems(task: str, component: Json) -> Iterator[str]:
    for side in ("inputDefinitions", "outputDefinitions"):
        for key, artifact in component.get(side, {}).get("artifacts", {}).items():
            title = title_of(artifact["artifactType"])
            if not ARTIFACT_TITLE.fullmatch(title):
                expected = ARTIFACT_TITLE.pattern
                yield f"artifact {key!r} of {task!r} has the type {title!r}, which does not match {expected}"
