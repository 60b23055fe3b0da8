"""A stub of a Model Registry's REST interface: it answers as the OpenAPI document says (no registry of Kubeflow)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

Answer = tuple[int, dict[str, Any]]
_MISSING: Answer = (404, {"code": "404", "message": "not found"})


@dataclass
class Stub:
    """What it was told, and how it behaves."""

    uri: str = ""
    interface: str = "v1"
    models: list[dict[str, Any]] = field(default_factory=list)
    versions: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    posts: int = 0
    refuses_after: int = 99
    body: bytes | None = None

    def answer(self, method: str, path: str, content: dict[str, Any]) -> Answer:
        place, asked = urlsplit(path), parse_qs(urlsplit(path).query)
        before, _, rest = place.path.partition(f"/api/model_registry/{self.interface}/")
        if before or not rest:
            return _MISSING
        if method == "POST":
            self.posts += 1
            return self._added(rest, content) if self.posts <= self.refuses_after else (403, {"message": "no"})
        name, parent = asked.get("name", [""])[0], asked.get("parentResourceId", [""])[0]
        found = {
            "registered_model": (self.models, {"name": name}),
            "model_version": (self.versions, {"name": name, "registeredModelId": parent}),
            "model_artifact": (self.artifacts, {"name": name, "parent": parent}),
        }
        if rest in found:
            return self._found(*found[rest])
        if rest == "registered_models":
            return _listed(self.models)
        return _listed([each for each in self.artifacts if each["parent"] == rest.split("/")[1]])

    def _added(self, rest: str, content: dict[str, Any]) -> Answer:
        kept = {"registered_models": self.models, "model_versions": self.versions}.get(rest, self.artifacts)
        parent = {"parent": rest.split("/")[1]} if kept is self.artifacts else {}
        kept.append({**content, **parent, "id": str(len(kept) + 1)})
        return 201, kept[-1]

    @staticmethod
    def _found(kept: list[dict[str, Any]], wanted: dict[str, str]) -> Answer:
        return next(((200, each) for each in kept if wanted.items() <= each.items()), _MISSING)


def _listed(kept: list[dict[str, Any]]) -> Answer:
    return 200, {"items": kept, "size": len(kept), "pageSize": len(kept), "nextPageToken": ""}


@contextmanager
def stub_server() -> Iterator[Stub]:
    found = Stub()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.headers = dict(self.headers)
            status, answer = found.answer(self.command, self.path, json.loads(data or "{}"))
            body = json.dumps({name: value for name, value in answer.items() if name != "parent"}).encode()
            body = body if found.body is None else found.body
            self.send_response(status if found.body is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815 - http.server's names

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - http.server's name
            """Stay silent."""

    from tests.unit.pipeline.conftest import listening  # collected by the time a test runs

    with listening(Handler) as found.uri:
        yield found


@pytest.fixture
def stub() -> Iterator[Stub]:
    with stub_server() as found:
        yield found
