"""A real Beam job server for tests: Beam's own, in a thread, with workers in threads."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from apache_beam.runners.portability.local_job_service import LocalJobServicer
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer


@pytest.fixture(scope="session")
def engine_flags() -> Iterator[list[str]]:
    """Beam's flags for an engine behind a job server."""
    server = LocalJobServicer()
    port = server.start_grpc_server()
    pool, workers = BeamFnExternalWorkerPoolServicer.start()
    external = ["--environment_type=EXTERNAL", f"--environment_config={pool}"]
    yield ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}", *external]
    server.stop()
    workers.stop(0)


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("localhost", 0))
        port: int = probe.getsockname()[1]
    return port
