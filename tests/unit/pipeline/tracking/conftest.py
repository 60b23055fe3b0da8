"""A stub of MLflow's REST interface: it keeps what it is sent, and answers as the documentation says (no MLflow)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from pipeline.tracking.track import LIVE_TAG


@dataclass
class Stub:
    """What it received, and how it behaves."""

    uri: str = ""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200
    body: bytes | None = None
    known_run: str = ""
    running: list[str] = field(default_factory=list)  # runs that an earlier process left so
    artifact_root: str = "mlflow-artifacts:/7"

    def sent(self, path: str) -> list[Any]:
        return [content for _, where, content in self.calls if where == path]

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        if path.startswith("experiments/get-by-name"):
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST"}
        if path == "runs/create":
            run = f"run{len(self.sent(path))}"
            return 200, {"run": {"info": {"run_id": run, "artifact_uri": f"{self.artifact_root}/{run}/artifacts"}}}
        if path == "runs/search" and LIVE_TAG in self.sent(path)[-1]["filter"]:
            return 200, {"runs": [{"info": {"run_id": self.running.pop()}}] if self.running else []}
        if path == "runs/search":
            return 200, {"runs": [{"info": {"run_id": self.known_run}}] if self.known_run else []}
        if path == "logged-models":
            return 200, {"model": {"info": {"model_id": "m1", "artifact_uri": f"{self.artifact_root}/models/m1"}}}
        return 200, {"experiment_id": "7"} if path == "experiments/create" else {}


@contextmanager
def stub_server() -> Iterator[Stub]:
    found = Stub()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            data = (
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command != "PUT"
                else self._chunks()
            )
            path = self.path.removeprefix("/api/2.0/mlflow/")
            content = json.loads(data) if self.command in {"POST", "PATCH"} else data
            found.calls.append((self.command, path, content))
            found.headers.append(dict(self.headers))
            status, answer = found.answer(path)
            body = json.dumps(answer).encode() if found.body is None else found.body
            self.send_response(status if found.status == 200 else found.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _chunks(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data

        do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815 - http.server's names

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - http.server's name
            """Stay silent."""

    from tests.unit.pipeline.conftest import listening  # collected by the time a test runs

    with listening(Handler) as found.uri:
        yield found


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stub_server() as found:
        yield found
