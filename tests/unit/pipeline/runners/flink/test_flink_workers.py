"""The pool of workers: what they have loaded before a job names anything, and that they end with it."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.local_job_service import LocalJobServicer

from pipeline.runners.flink import workers


@pytest.fixture
def pool() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with closing(socket.socket()) as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen([sys.executable, "-P", workers.__file__, f"--service_port={port}"]) as process:
        while process.poll() is None:
            try:
                socket.create_connection(("localhost", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port, process
        process.kill()


def test_workers_have_loaded_tfx_and_end_with_the_pool(
    pool: tuple[int, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    def seen_by_worker(_: int) -> str:  # local, so that it travels by value: the pool cannot import this module
        import os
        import sys

        return f"{'tfx' in sys.modules} {os.getpid()}"

    port, process = pool
    server = LocalJobServicer()
    flags = [
        "--runner=PortableRunner",
        f"--job_endpoint=localhost:{server.start_grpc_server()}",
        "--environment_type=EXTERNAL",
        f"--environment_config=localhost:{port}",
    ]
    with beam.Pipeline(argv=flags) as pipeline:
        seen = pipeline | beam.Create([1], reshuffle=False) | beam.Map(seen_by_worker)
        _ = seen | beam.io.WriteToText(str(tmp_path / "seen"))
    (file,) = tmp_path.glob("seen*")
    has_tfx, worker = file.read_text(encoding="utf-8").split()
    assert has_tfx == "True"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not Path("/proc", worker).exists()
    server.stop()
