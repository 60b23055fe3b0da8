"""The real parts that the tests of this folder share; `make test-kubeflow` builds them."""

import os
from collections.abc import Iterator

import pytest

from tests.kubeflow.control_plane import ControlPlane, control_plane, missing_tools


def need(*tools: str) -> None:
    """Skip where a part is not built; where all must be there (`make test-kubeflow`), fail."""
    if reason := missing_tools(*tools):
        (pytest.fail if os.environ.get("BELKA_KUBEFLOW_ALL") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A Kubernetes API that holds nothing yet."""
    need("etcd", "kube-apiserver", "kubectl")
    with control_plane(tmp_path_factory.mktemp("cluster")) as started:
        yield started
