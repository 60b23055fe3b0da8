"""A metadata service that refuses every call: it notes who came, and closes the connection."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# How Kubernetes tells pods of the namespace where the service of Kubeflow Pipelines is.
HOST, PORT = "METADATA_GRPC_SERVICE_HOST", "METADATA_GRPC_SERVICE_PORT"


@contextmanager
def refusing_metadata() -> Iterator[tuple[dict[str, str], list[str]]]:
    """The variables that name the service, and the list of callers that it fills."""
    callers: list[str] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            callers.append(str(self.client_address))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield {HOST: "127.0.0.1", PORT: str(server.server_address[1])}, callers
        finally:
            server.shutdown()
            thread.join()
