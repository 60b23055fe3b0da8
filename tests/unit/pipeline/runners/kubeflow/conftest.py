"""A real HTTP server that answers as the API servers of Kubeflow Pipelines and of Kubernetes do."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

IMAGE = "registry.example/belka@sha256:" + "0" * 64


def _task(name: str, *upstream: str) -> dict[str, Any]:
    names = {"componentRef": {"name": name}, "taskInfo": {"name": name}}
    return {**names, "cachingOptions": {"enableCache": True}, **({"dependentTasks": [*upstream]} if upstream else {})}


SPEC = {
    "schemaVersion": "2.1.0",
    "pipelineInfo": {"name": "belka"},
    "components": {"make": {"executorLabel": "e"}, "train": {"executorLabel": "e"}},
    "deploymentSpec": {"executors": {"e": {"container": {"image": IMAGE, "command": ["true"]}}}},
    "root": {
        "dag": {"tasks": {"make": _task("make"), "train": _task("train", "make")}},
        "inputDefinitions": {"parameters": {"raw_dir": {"parameterType": "STRING", "defaultValue": "/mnt/belka/raw"}}},
    },
}


class Api:
    """What the server received, and what it reports.

    Attributes:
        states: State of the run, one after the other; the last one stays.
        details: Display name and state of the tasks that go with each of `states`, as the run API lists them.
        health: What the healthz of the API server, or of the UI, says besides.
        kubernetes: Path -> answer of the Kubernetes API; a path that is absent is forbidden.
    """

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.schedules: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.states = ["RUNNING", "SUCCEEDED"]
        self.details: list[list[tuple[str, str]]] = [[("make", "RUNNING")], [("make", "SUCCEEDED")]]
        self.kubernetes: dict[str, dict[str, Any]] = {}
        self.health: dict[str, Any] = {}
        self.queries: list[str] = []
        self.refuse = 0
        self.drop = 0
        self.url = ""

    def answer(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if "/namespaces/" in path:
            self.queries.append(path)
            return self.kubernetes.get(path.partition("?")[0])
        if path.endswith("/healthz"):
            return {"multi_user": False, **self.health}
        if "/experiments" in path:
            return {"experiment_id": "e1", "display_name": "belka"} if method == "POST" else {"experiments": []}
        if "/recurringruns" in path:
            self.schedules.append(body)
            return {"recurring_run_id": "s1"}
        if method == "POST":
            self.runs.append(body)
            return {"run_id": "r1"}
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        listed = self.details.pop(0) if len(self.details) > 1 else self.details[0]
        # Source: facts of a run on 2.17.0. `error` is never set, and `pod_name` is the id of Argo's node.
        tasks = [
            {"display_name": name, "task_id": str(i), "state": task, "child_tasks": [{"pod_name": f"belka-x-{i}"}]}
            for i, (name, task) in enumerate(listed)
        ]
        return {"run_id": "r1", "state": state, "run_details": {"task_details": tasks}}


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The server; kubectl's configuration of this test names it."""
    state = Api()

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            if state.drop > 0:
                state.drop -= 1
                self.close_connection = True
                return
            state.tokens.append(self.headers.get("authorization"))
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            content = None if state.refuse else state.answer(self.command, self.path, body)
            self.send_response(state.refuse or (403 if content is None else 200))
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"error": "no"} if content is None else content).encode())

        do_GET = do_POST = _reply  # noqa: N815 - names the base class asks for

        def log_message(self, *_: object) -> None:
            pass

    from tests.unit.pipeline.conftest import listening  # collected by the time a test runs

    file = tmp_path_factory.mktemp("kubectl") / "config"
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    with listening(Handler) as state.url:
        file.write_text(yaml.safe_dump(_kubectl_config(state.url)), encoding="utf-8")
        yield state


def _kubectl_config(url: str) -> dict[str, Any]:
    return {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "kubectl-token"}}],
    }


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump(SPEC), encoding="utf-8")
    return path
