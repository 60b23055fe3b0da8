"""The real parts that the tests of this folder share; `make test-kubeflow` builds them."""

import os
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import demo  # noqa: F401 - a fixture
from tests.kubeflow.backend import BACKEND_PROGRAMS, PROGRAMS, Backend, backend, missing_programs
from tests.kubeflow.control_plane import ControlPlane, control_plane, missing_tools


def need(*tools: str) -> None:
    """Skip where a part is not built; where all must be there (`make test-kubeflow`), fail."""
    _refuse(missing_tools(*tools))


def _refuse(reason: str | None) -> None:
    if reason:
        (pytest.fail if os.environ.get("BELKA_KUBEFLOW_ALL") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A Kubernetes API that holds nothing yet."""
    need("etcd", "kube-apiserver", "kubectl")
    with control_plane(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="session")
def kubeflow(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Kubeflow Pipelines installed on it, of which nothing runs yet but the servers around it."""
    need(*PROGRAMS)
    _refuse(missing_programs())
    with backend(cluster, tmp_path_factory.mktemp("kubeflow")) as installed:
        yield installed


@pytest.fixture(scope="session")
def pipelines(kubeflow: Backend) -> Iterator[Backend]:
    """The same with Kubeflow Pipelines' API server and persistence agent."""
    need(*BACKEND_PROGRAMS)
    with kubeflow.pipelines():
        yield kubeflow
