"""Python workers for a Beam engine: Beam's pool, whose workers load TFX before anything else.

The wheel of TensorFlow Data Validation needs a module that only `import tfx` provides. Beam's own workers load what a
job names in the order in which it comes, and fail on statistics.
"""

import argparse
import logging
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

logger = logging.getLogger(__name__)


class WorkerPool(BeamFnExternalWorkerPoolServicer):
    """Beam's pool, with processes of this module in the place of Beam's."""

    def StartWorker(self, start_worker_request: Any, unused_context: Any) -> Any:  # noqa: N802 - gRPC's name
        """Start a worker that takes its work from the address in the request."""
        del unused_context
        worker, control = start_worker_request.worker_id, start_worker_request.control_endpoint.url
        logger.info("Starting worker %s for %s.", worker, control)
        command = [sys.executable, "-P", __file__, f"--control={control}", f"--id={worker}"]
        self._worker_processes[worker] = subprocess.Popen(command)  # noqa: S603 - our own command
        return beam_fn_api_pb2.StartWorkerResponse()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve as the pool until SIGTERM, or work as one of its workers.

    Args:
        argv: `--service_port` of the pool, or what the pool gives a worker.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service_port", type=int, help="port of the pool")
    parser.add_argument("--control", help="of a worker: address that it takes its work from")
    parser.add_argument("--id", help="of a worker: its name")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO)
    if arguments.control is not None:
        _work(arguments.control, arguments.id)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # the pool ends its workers when it exits
    _, server = WorkerPool.start(use_process=True, port=arguments.service_port)
    server.wait_for_termination()


def _work(control: str, name: str) -> None:
    import tfx  # noqa: F401 - see above
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    SdkHarness(control, worker_id=name).run()


if __name__ == "__main__":
    main()
