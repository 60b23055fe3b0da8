"""What `belka predict` says on its way: nothing of short work, a line of long work, events where they are asked for."""

import io

from rich.console import Console

from belka.events.event import Amount, Event, State, from_line
from pipeline.cli.lines import SECONDS_BETWEEN
from pipeline.cli.options import LogFormat
from pipeline.cli.predicted_file import _shown

AMOUNT = Event(State.RUNNING, "predict", progress=Amount("scoring", 4096, None, "rows", 2000.0))


def said(log_format: LogFormat, *, waits: float = 0.0) -> list[str]:
    stream, now = io.StringIO(), [0.0]
    with _shown(Console(file=stream, width=80), log_format, clock=lambda: now[0]) as hear:
        hear(Event(State.RUNNING, "predict"))
        hear(AMOUNT)
        now[0] += waits
        hear(AMOUNT)
    return stream.getvalue().splitlines()


def test_short_work_is_silent() -> None:
    assert said("text") == []


def test_long_work_is_told_of_now_and_then() -> None:
    assert said("text", waits=SECONDS_BETWEEN) == ["scoring: 4,096 rows, 2,000/s"]


def test_events_are_lines_of_json() -> None:
    lines = said("json", waits=SECONDS_BETWEEN)
    assert [from_line(line).progress for line in lines] == [None, AMOUNT.progress]
