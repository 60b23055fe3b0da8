"""An engine for Beam behind a job server: Beam's own, with workers in threads. Prints the flags that use it.

It runs until its standard input ends, which is when the test that started it is gone.
"""

import json
import sys

from apache_beam.runners.portability.local_job_service import LocalJobServicer
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer


def main() -> None:
    """Serve."""
    port = LocalJobServicer().start_grpc_server()
    pool, _ = BeamFnExternalWorkerPoolServicer.start()
    external = ["--environment_type=EXTERNAL", f"--environment_config={pool}"]
    sys.stdout.write(json.dumps(["--runner=PortableRunner", f"--job_endpoint=localhost:{port}", *external]) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
