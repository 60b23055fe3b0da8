"""Requests as MLflow's documentation has them, and answers that are not a server's of this kind."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from belka.errors import BelkaError
from pipeline.tracking.server import MAX_METRICS, MAX_TEXT_LENGTH, MAX_TEXTS, MlflowServer

if TYPE_CHECKING:
    from tests.unit.pipeline.tracking.conftest import Stub


def test_an_experiment_is_made_where_there_is_none(stub: "Stub") -> None:
    assert MlflowServer(stub.uri).experiment("our screen & more") == "7"
    assert [path for _, path, _ in stub.calls] == [
        "experiments/get-by-name?experiment_name=our%20screen%20%26%20more",
        "experiments/create",
    ]


def test_long_lists_are_sent_in_parts_and_long_texts_cut(stub: "Stub") -> None:
    metrics = [{"key": "loss", "value": float(step), "step": step, "timestamp": 1} for step in range(MAX_METRICS + 1)]
    params = {f"p{number}": "x" * (MAX_TEXT_LENGTH + 1) for number in range(MAX_TEXTS + 1)}
    MlflowServer(stub.uri).log("run1", metrics, params)
    sent = stub.sent("runs/log-batch")
    assert [len(part["metrics"]) for part in sent if "metrics" in part] == [MAX_METRICS, 1]
    assert [len(part["params"]) for part in sent if "params" in part] == [MAX_TEXTS, 1]
    assert [step for part in sent for step in part.get("metrics", ())] == metrics
    assert all(len(text["value"]) == MAX_TEXT_LENGTH for part in sent for text in part.get("params", ()))


def test_files_go_where_the_server_keeps_them(stub: "Stub", tmp_path: Path) -> None:
    file = tmp_path / "a b.html"
    file.write_bytes(bytes(range(256)) * 100)
    server = MlflowServer(stub.uri)
    assert server.takes_files("mlflow-artifacts:/7/run1/artifacts")
    assert not server.takes_files("s3://bucket/7/run1/artifacts")
    server.upload("mlflow-artifacts:/7/run1/artifacts", {"pages/a b.html": file})
    ((method, path, content),) = stub.calls
    assert (method, path) == ("PUT", "/api/2.0/mlflow-artifacts/artifacts/7/run1/artifacts/pages/a%20b.html")
    assert content == file.read_bytes()


@pytest.mark.parametrize(
    ("environment", "header"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": "t0k"}, "Bearer t0k"),
        ({"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "pw"}, "Basic YW5uOnB3"),
    ],
)
def test_who_asks_is_said_in_the_header_alone(stub: "Stub", environment: dict[str, str], header: str | None) -> None:
    MlflowServer(stub.uri, environment).experiment("e")
    assert stub.headers[0].get("Authorization") == header
    assert all("pw" not in str(call) and "t0k" not in str(call) for call in stub.calls)


def test_a_refusal_is_told_in_the_servers_words(stub: "Stub") -> None:
    stub.status, stub.body = 403, b'{"error_code": "PERMISSION_DENIED", "message": "not yours"}'
    with pytest.raises(BelkaError, match="refuses a request") as error:
        MlflowServer(stub.uri, {"MLFLOW_TRACKING_TOKEN": "t0k"}).experiment("e")
    assert "HTTP 403" in (error.value.received or "")
    assert "not yours" in (error.value.received or "")
    assert "t0k" not in str(error.value)


@pytest.mark.parametrize("body", [b"<html>a proxy</html>", b"[]"])
def test_something_else_that_answers_is_no_server(stub: "Stub", body: bytes) -> None:
    stub.body = body
    with pytest.raises(BelkaError, match="no MLflow server"):
        MlflowServer(stub.uri).find_run("7", "tag", "value")


def test_nothing_answers() -> None:
    with pytest.raises(BelkaError, match=r"Nothing answers at tracking\.uri"):
        MlflowServer("http://localhost:9").experiment("e")
