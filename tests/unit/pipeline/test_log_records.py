"""The log's lines: the time's zone, no secret, and of other libraries warnings only."""

import logging
import re

import pytest

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


def test_debug_adds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]
    assert is_told(record("absl", logging.INFO, "x"))
    monkeypatch.undo()
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined]
