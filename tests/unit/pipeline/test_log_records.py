"""The log's lines: the time's zone, no secret, and of other libraries warnings only."""

import logging
import re
import subprocess
import sys

import pytest

from belka.events.event import State, from_line
from pipeline.log_records import Plain, is_told


def record(name: str, level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, text, None, None)


def test_a_line_has_the_zone_and_no_secret() -> None:
    line = Plain().format(record("belka.x", logging.INFO, "asked https://me:hunter2@registry/x"))
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} INFO belka\.x: asked ", line)
    assert "hunter2" not in line


def test_a_traceback_holds_no_secret_either() -> None:
    error = ValueError("DB_PASSWORD=hunter2")
    failed = logging.LogRecord("x", logging.ERROR, __file__, 1, "odd", None, (ValueError, error, None))
    assert "hunter2" not in Plain().format(failed)


@pytest.mark.parametrize(
    ("name", "level", "told"),
    [
        ("absl", logging.INFO, False),
        ("apache_beam.runners.x", logging.INFO, False),
        ("absl", logging.WARNING, True),
        ("components.parquet_merge.merge", logging.INFO, True),
        ("absl_of_ours", logging.INFO, True),
    ],
)
def test_other_libraries_are_told_from_warnings_on(name: str, level: int, told: bool) -> None:
    assert is_told(record(name, level, "Using deployment config")) is told


POD = """
import logging
from belka.events.node import node_at_work
from belka.progress import progress
from pipeline.log_records import told_to
logging.basicConfig(level=logging.INFO, handlers=[told_to(logging.StreamHandler())])  # as the entrypoint of a pod does
with node_at_work("pusher"), progress("copying", "files", 2) as done:
    done.add(2)
"""


def test_a_pods_log_has_the_events_of_its_node() -> None:
    done = subprocess.run([sys.executable, "-c", POD], capture_output=True, text=True, check=True)
    events = [from_line(line.partition(" INFO belka.events.channel: ")[2]) for line in done.stderr.splitlines()]
    assert {event.node for event in events} == {"pusher"}
    assert events[0].state is State.RUNNING
    assert events[-1].state is State.FINISHED
    assert [event.progress.done for event in events if event.progress][-1] == 2


def test_debug_adds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]
    assert is_told(record("absl", logging.INFO, "x"))
    monkeypatch.undo()
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]
