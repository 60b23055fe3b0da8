"""`belka submit` against a real HTTP server that answers as the API server of Kubeflow Pipelines does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from belka.errors import BelkaError, InputError
from pipeline.runners.kubeflow.settings import KubeflowSettings
from pipeline.runners.kubeflow.submit import SubmissionRequest, SubmittedRun, connect, submit, wait

IMAGE = "registry.example/belka@sha256:" + "0" * 64
MAKE = {"componentRef": {"name": "make"}, "taskInfo": {"name": "make"}, "cachingOptions": {"enableCache": True}}
SPEC = {
    "schemaVersion": "2.1.0",
    "pipelineInfo": {"name": "belka"},
    "components": {"make": {"executorLabel": "e"}},
    "deploymentSpec": {"executors": {"e": {"container": {"image": IMAGE, "command": ["true"]}}}},
    "root": {
        "dag": {"tasks": {"make": MAKE}},
        "inputDefinitions": {"parameters": {"raw_dir": {"parameterType": "STRING", "defaultValue": "/mnt/belka/raw"}}},
    },
}
TASK = {"display_name": "make", "task_id": "1", "child_tasks": [{"pod_name": "belka-abc"}]}


class Api:
    """What the server received, and the states it reports one after the other."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.tokens: list[str | None] = []
        self.states = [("RUNNING", "RUNNING"), ("SUCCEEDED", "SUCCEEDED")]
        self.refuse = 0
        self.drop = 0
        self.url = ""

    def answer(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if "/experiments" in path:
            return {"experiment_id": "e1", "display_name": "belka"} if method == "POST" else {"experiments": []}
        if method == "POST":
            self.runs.append(body)
            return {"run_id": "r1"}
        run, task = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        details = [
            {**TASK, "state": task, "error": {"message": "exit code 1"}},
            {**TASK, "display_name": "make-driver", "state": task},
        ]
        return {"run_id": "r1", "state": run, "run_details": {"task_details": details}}


@pytest.fixture
def api() -> Iterator[Api]:
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
            status = state.refuse or 200
            content = {"error": "no"} if state.refuse else state.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        do_GET = do_POST = _reply  # noqa: N815 - names the base class asks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.yaml"
    path.write_text(yaml.safe_dump(SPEC), encoding="utf-8")
    return path


def _settings(api: Api, **values: Any) -> KubeflowSettings:
    return KubeflowSettings.model_validate({"endpoint": api.url, "namespace": "team", **values})


def test_the_run_is_created_as_asked_and_its_page_is_named(api: Api, package: Path) -> None:
    settings = _settings(api, pipeline_root="s3://bucket/x", service_account="runner")
    request = SubmissionRequest(package, settings, {"raw_dir": "/mnt/belka/new"}, "my run", enable_cache=False)
    run = submit(connect(settings), request)
    assert run == SubmittedRun("r1", f"{api.url}/#/runs/details/r1")
    (sent,) = api.runs
    assert (sent["display_name"], sent["experiment_id"], sent["service_account"]) == ("my run", "e1", "runner")
    assert sent["runtime_config"] == {"parameters": {"raw_dir": "/mnt/belka/new"}, "pipeline_root": "s3://bucket/x"}
    task = sent["pipeline_spec"]["root"]["dag"]["tasks"]["make"]
    assert task.get("cachingOptions", {}).get("enableCache", False) is False


def test_the_cache_stays_as_compiled(api: Api, package: Path) -> None:
    settings = _settings(api)
    submit(connect(settings), SubmissionRequest(package, settings))
    task = api.runs[0]["pipeline_spec"]["root"]["dag"]["tasks"]["make"]
    assert task["cachingOptions"] == {"enableCache": True}


def test_the_token_is_sent(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "abc")
    connect(_settings(api, auth="token", token_variable="MY_TOKEN"))  # noqa: S106 - a variable's name
    assert api.tokens[-1] == "Bearer abc"


def test_the_projected_token_of_a_service_account_is_sent(api: Api, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xyz", encoding="utf-8")
    connect(_settings(api, auth="service_account", token_path=str(tmp_path / "token")))
    assert api.tokens[-1] == "Bearer xyz"


def test_a_missing_token_is_named(api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MY_TOKEN", raising=False)
    with pytest.raises(InputError, match="environment variable MY_TOKEN is not set"):
        connect(_settings(api, auth="token", token_variable="MY_TOKEN"))  # noqa: S106 - a variable's name
    with pytest.raises(InputError, match=r"no file .*nothing"):
        connect(_settings(api, auth="service_account", token_path=str(tmp_path / "nothing")))


def test_an_endpoint_that_does_not_answer_is_named_with_the_way_to_reach_it() -> None:
    settings = KubeflowSettings(endpoint="http://127.0.0.1:9", namespace="team")
    with pytest.raises(
        InputError,
        match=r"Nothing answers[\s\S]*127.0.0.1:9[\s\S]*kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80",
    ):
        connect(settings)


def test_a_refusal_keeps_the_server_s_words(api: Api) -> None:
    api.refuse = 403
    with pytest.raises(InputError, match=r"refuses the request[\s\S]*HTTP 403[\s\S]*kubeflow.auth"):
        connect(_settings(api))


def test_waiting_shows_each_change_once(api: Api) -> None:
    settings = _settings(api)
    seen: list[tuple[str, str]] = []
    wait(connect(settings), SubmittedRun("r1", "u"), settings, lambda *change: seen.append(change), poll_seconds=0.0)
    assert seen == [("make", "RUNNING"), ("make", "SUCCEEDED")]


def test_a_connection_that_is_lost_for_a_while_does_not_end_the_waiting(api: Api) -> None:
    settings, client = _settings(api), connect(_settings(api))
    api.drop = 10
    seen: list[tuple[str, str]] = []
    wait(client, SubmittedRun("r1", "u"), settings, lambda *change: seen.append(change), poll_seconds=0.0)
    assert api.drop == 0
    assert seen[-1] == ("make", "SUCCEEDED")
    api.drop = 1000
    with pytest.raises(InputError, match=r"Nothing answers[\s\S]*The run goes on: u"):
        wait(client, SubmittedRun("r1", "u"), settings, lambda *_: None, poll_seconds=0.0)


def test_a_failed_run_names_the_task_its_log_and_how_to_retry(api: Api) -> None:
    api.states = [("FAILED", "FAILED")]
    settings = _settings(api)
    expected = (
        r"ended as FAILED[\s\S]*make: exit code 1[\s\S]*kubectl logs -n team belka-abc -c main[\s\S]*"
        r"press Retry on u or submit again"
    )
    with pytest.raises(BelkaError, match=expected):
        wait(connect(settings), SubmittedRun("r1", "u"), settings, lambda *_: None, poll_seconds=0.0)


def test_a_dry_run_tells_everything_and_an_unknown_parameter_is_refused(api: Api, package: Path) -> None:
    described = SubmissionRequest(package, _settings(api), {"raw_dir": "/x"}).describe()
    assert described["parameters"] == {"raw_dir": "/x"}
    assert described["images"] == [IMAGE]
    assert api.tokens == []
    with pytest.raises(InputError, match=r"no such parameter[\s\S]*received: rawdir[\s\S]*expected: raw_dir"):
        SubmissionRequest(package, _settings(api), {"rawdir": "/x"}).describe()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1", "no compiled pipeline"),
        ("schemaVersion: 2.0.0\nroot: {dag: {tasks: {}}}", "refuses this schema"),
    ],
)
def test_what_is_no_pipeline_is_refused(api: Api, package: Path, content: str, message: str) -> None:
    package.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        SubmissionRequest(package, _settings(api)).describe()
