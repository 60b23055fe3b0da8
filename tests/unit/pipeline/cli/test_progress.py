"""The table of steps, and the lines without a terminal: states, progress, and what metrics.json keeps."""

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from belka.events.event import Amount, Event, State
from pipeline.cli.amounts import shown_amount, shown_time
from pipeline.cli.lines import JsonLines, TextLines
from pipeline.cli.progress import StepTable
from pipeline.steps import step_of

AMOUNT = Amount("clf epoch 2 of at most 9", 20, 100, "batches", 1.25, {"loss": 0.51239})


def make(nodes: list[str], *, terminal: bool = False) -> tuple[StepTable, io.StringIO]:
    stream = io.StringIO()
    return StepTable(Console(file=stream, width=80, force_terminal=terminal), nodes, step_of=step_of), stream


def test_finished_and_cached_nodes_are_told_apart() -> None:
    table, stream = make(["parquet-merge", "smiles-vocab", "pusher"])
    with table:
        table(Event(State.STARTED, "parquet-merge"))
        table(Event(State.FINISHED, "parquet-merge", memory_bytes=5_000_000))
        table(Event(State.STARTED, "smiles-vocab"))
        table(Event(State.CACHED, "smiles-vocab"))
    table.print_final()
    summary = table.summary()
    assert {node: row["state"] for node, row in summary.items()} == {"parquet-merge": "done", "smiles-vocab": "cached"}
    assert summary["parquet-merge"]["peak_mb"] == 5
    shown = stream.getvalue()
    assert "generate_parquet" in shown
    assert "5.0 MB" in shown
    assert "waiting" in shown


def _run_and_break(table: StepTable) -> None:
    with table:
        table(Event(State.STARTED, "pusher"))
        table(Event(State.RUNNING, "pusher"))
        raise ValueError("broken")


def test_the_running_node_is_the_failed_one() -> None:
    table, _ = make(["smiles-vocab", "pusher"])
    with pytest.raises(ValueError, match="broken"):
        _run_and_break(table)
    assert table.failed() == "pusher"


def test_a_terminal_shows_how_far_the_running_node_is() -> None:
    table, stream = make(["trainer-clf"], terminal=True)
    with table:
        table(Event(State.STARTED, "trainer-clf"))
        table(Event(State.RUNNING, "trainer-clf", progress=AMOUNT))
        table._live.refresh()
        assert "20 of 100 batches" in stream.getvalue()


def lines(made: Callable[[Console], TextLines | JsonLines], *events: Event) -> list[str]:
    stream = io.StringIO()
    outlet = made(Console(file=stream, width=40))
    for event in events:
        outlet(event)
    return stream.getvalue().splitlines()


EVENTS = (
    Event(State.STARTED, "trainer-clf", step="train_model"),
    Event(State.RUNNING, "trainer-clf", step="train_model"),
    Event(State.FINISHED, "trainer-clf", step="train_model", memory_bytes=1_234_000_000, warnings={"a": 2}),
    Event(State.FINISHED, run="r", exit_code=0),
)


def test_lines_are_not_folded_and_name_step_and_node() -> None:
    running, finished = lines(TextLines, *EVENTS)
    assert running == "train_model (trainer-clf): running"
    assert finished == "train_model (trainer-clf): finished after 0.0 s, peak 1.2 GB, 2 warnings in the log"


def test_json_lines_are_the_events() -> None:
    found = [json.loads(line) for line in lines(JsonLines, *EVENTS)]
    assert [event["state"] for event in found] == ["started", "running", "finished", "finished"]
    assert found[-1] == {"time": found[-1]["time"], "run": "r", "state": "finished", "exit_code": 0}


def test_amounts_and_times_fit_their_size() -> None:
    assert shown_amount(AMOUNT) == "clf epoch 2 of at most 9: 20 of 100 batches, 1.2/s, 1 min 4 s left, loss 0.5124"
    assert shown_amount(Amount("reading", 1200, None, "rows")) == "reading: 1,200 rows"
    assert [shown_time(seconds) for seconds in (0.04, 59.4, 59.96, 3599.7, 7200, 90_000)] == [
        "0.0 s",
        "59.4 s",
        "1 min 0 s",
        "1 h 0 min",
        "2 h 0 min",
        "1 d 1 h",
    ]
