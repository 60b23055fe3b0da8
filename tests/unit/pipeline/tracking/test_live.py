"""Curves that are told while training goes on, and what becomes of their runs."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from belka.files import atomic_path
from belka.places.names import named_places
from pipeline.config.files import load_config
from pipeline.config.settings import Config
from pipeline.tracking import server as server_module
from pipeline.tracking.live import LiveCurves
from pipeline.tracking.record import RunRecord, curves
from pipeline.tracking.server import MlflowServer
from pipeline.tracking.track import LIVE_TAG, PARENT_TAG, track_run
from tests.unit.pipeline.conftest import faulty

if TYPE_CHECKING:
    from tests.unit.pipeline.tracking.conftest import Stub

ROWS = [{"epoch": 1, "step": 10, "val_loss": 0.5}, {"epoch": 1, "step": 20, "val_loss": 0.25}]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(None, [f"data.output_dir={tmp_path}", "training.stages=[mlm, clf]"])


def _validated(config: Config, stage: str, rows: list[dict[str, float]], execution: int = 7) -> Path:
    file = config.output_dir / "pipeline_root" / f"trainer-{stage}" / "model_run" / str(execution) / "history.json"
    with atomic_path(file) as temporary:  # as training does, while it is read
        temporary.write_text(json.dumps(rows), encoding="utf-8")
    return file


def _wait(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def _told(stub: "Stub", run: str) -> list[tuple[str, float, int]]:
    parts = [part["metrics"] for part in stub.sent("runs/log-batch") if part["run_id"] == run and "metrics" in part]
    return [(metric["key"], metric["value"], metric["step"]) for part in parts for metric in part]


def test_each_row_is_told_once_while_training_goes_on(stub: "Stub", config: Config) -> None:
    with LiveCurves(config, stub.uri, seconds=0.01) as live:
        _validated(config, "mlm", ROWS[:1])
        _wait(lambda: len(_told(stub, "run2")) == 2)
        _validated(config, "mlm", ROWS)
        _wait(lambda: len(_told(stub, "run2")) == 4)
        _validated(config, "clf", ROWS[:1])  # seen by the last look at the latest
    parent, *stages = stub.sent("runs/create")
    assert [stage["run_name"] for stage in stages] == ["mlm", "clf"]
    assert all({"key": PARENT_TAG, "value": "run1"} in stage["tags"] for stage in stages)
    assert parent["run_name"] == f"belka {config.output_dir.name}"
    assert _told(stub, "run2") == [("epoch", 1, 10), ("val_loss", 0.5, 10), ("epoch", 1, 20), ("val_loss", 0.25, 20)]
    assert _told(stub, "run3") == [("epoch", 1, 10), ("val_loss", 0.5, 10)]
    assert not stub.sent("runs/update"), "the runs go on until the whole run is told"

    stage = RunRecord("mlm", "m" * 64, {"epochs": "2"}, curves([*ROWS, {"step": 30, "val_loss": 0.125}]))
    record = RunRecord("belka", "d" * 64, metrics=curves([{"step": 0, "gain": 0.1}]), stages=(stage,))
    assert track_run(MlflowServer(stub.uri), "belka", record, live.begun) == "run1"
    assert len(stub.sent("runs/create")) == 3, "what was begun is completed"
    assert _told(stub, "run2")[4:] == [("val_loss", 0.125, 30)]
    assert _told(stub, "run1") == [("gain", 0.1, 0)]
    assert {"run_id": "run1", "key": LIVE_TAG, "value": ""} in stub.sent("runs/set-tag")


def test_a_history_of_the_cache_begins_no_run(stub: "Stub", config: Config) -> None:
    file = _validated(config, "mlm", ROWS)
    os.utime(file, (time.time() - 60,) * 2)
    with LiveCurves(config, stub.uri, seconds=0.01) as live:
        pass
    assert not stub.sent("runs/create")
    assert list(live.begun.ids()) == []


def test_of_two_executions_the_newer_is_told(stub: "Stub", config: Config) -> None:
    with LiveCurves(config, stub.uri, seconds=60):
        _validated(config, "mlm", ROWS, execution=9)
        _validated(config, "mlm", ROWS[:1], execution=10)
    assert len(_told(stub, "run2")) == 2


def test_a_run_that_fails_is_a_failed_one_there(stub: "Stub", config: Config) -> None:
    def train() -> None:
        with LiveCurves(config, stub.uri, seconds=60):
            _validated(config, "mlm", ROWS)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    ended = [(update["run_id"], update["status"]) for update in stub.sent("runs/update")]
    assert ended == [("run2", "FAILED"), ("run1", "FAILED")]
    assert {tag["run_id"] for tag in stub.sent("runs/set-tag") if tag["key"] == LIVE_TAG} == {"run1", "run2"}


def test_what_a_killed_process_left_running_is_ended(stub: "Stub", config: Config) -> None:
    stub.running = ["old1", "old2"]
    with LiveCurves(config, stub.uri):
        pass
    assert {(each["run_id"], each["status"]) for each in stub.sent("runs/update")} == {
        ("old1", "KILLED"),
        ("old2", "KILLED"),
    }
    assert all(str(config.output_dir) in asked["filter"] for asked in stub.sent("runs/search"))


def test_an_output_directory_on_a_store_is_known_by_its_uri_on_every_machine(stub: "Stub", config: Config) -> None:
    stub.running = ["of a machine that is gone"]
    with named_places({str(config.output_dir): "s3://bucket/some run"}), LiveCurves(config, stub.uri):
        _validated(config, "mlm", ROWS)
    asked = stub.sent("runs/search")
    assert [each["filter"] for each in asked] == [f"tags.`{LIVE_TAG}` = 's3://bucket/some run'"] * 2
    parent, *_ = stub.sent("runs/create")
    assert parent["run_name"] == "belka some run"
    assert {"key": LIVE_TAG, "value": "s3://bucket/some run"} in parent["tags"]
    assert str(config.output_dir) not in str(stub.calls)


def test_a_run_that_the_server_knows_already_is_not_there_twice(stub: "Stub", config: Config) -> None:
    with LiveCurves(config, stub.uri) as live:
        _validated(config, "mlm", ROWS)
    stub.known_run = "run9"
    assert track_run(MlflowServer(stub.uri), "belka", RunRecord("belka", "d" * 64), live.begun) == "run9"
    assert [sent["run_id"] for sent in stub.sent("runs/delete")] == ["run2", "run1"]


def test_a_server_that_falls_silent_neither_stops_nor_holds_the_run(
    stub: "Stub", config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server_module, "TIMEOUT_SECONDS", 0.2)
    with faulty(stub.uri, "silent", after=3) as uri:
        with LiveCurves(config, uri, seconds=0.01):
            _validated(config, "mlm", ROWS)
            _wait(lambda: "while training goes on" in caplog.text)
        assert caplog.text.count("while training goes on") == 1
