"""Bucket URIs and the local folders where the launcher of Kubeflow Pipelines keeps their copies."""

from pathlib import Path
from typing import Final

# Source: LocalPathForURI of the launcher, kubeflow/pipelines backend/src/v2/component/launcher_v2.go.
FOLDERS: Final = {"gs": "gcs", "s3": "s3", "minio": "minio"}


def is_bucket_uri(uri: str) -> bool:
    """Whether the launcher copies this URI."""
    scheme, separator, rest = uri.partition("://")
    return bool(separator and rest) and scheme in FOLDERS


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
