"""What nodes took last, from the events of earlier runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from belka.events.event import Amount, Event, State, to_line
from pipeline.events.last_costs import last_costs

START = datetime(2026, 11, 27, 12, tzinfo=UTC)


def write(logs: Path, run: str, *events: Event) -> None:
    (logs / f"{run}.events.jsonl").write_text("".join(f"{to_line(event)}\n" for event in events), encoding="utf-8")


def node(state: State, seconds: float, **more: int) -> Event:
    return Event(state, "pusher", time=START + timedelta(seconds=seconds), memory_bytes=more.get("memory", 0))


def test_the_last_run_that_finished_counts_and_cached_ones_do_not(tmp_path: Path) -> None:
    rows = Event(State.RUNNING, "pusher", progress=Amount("x", 5, 1200, "rows"))
    write(tmp_path, "1", node(State.RUNNING, 0), node(State.FINISHED, 9, memory=1))
    draws = Event(State.RUNNING, "pusher", progress=Amount("y", 5, 9000, "resamples"))
    of_two = [node(State.STARTED, 0), node(State.RUNNING, 10), rows, draws, node(State.FINISHED, 14, memory=7)]
    write(tmp_path, "2", *of_two)
    write(tmp_path, "3", node(State.STARTED, 0), node(State.CACHED, 1))
    write(tmp_path, "4", node(State.RUNNING, 0), node(State.FAILED, 1, memory=9))
    cost = last_costs(tmp_path)["pusher"]
    assert (cost.seconds, cost.memory_bytes, cost.amount) == (4, 7, "1,200 rows")


def test_the_cut_line_of_a_killed_run_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "1.events.jsonl").write_text('{"state": "run', encoding="utf-8")
    assert last_costs(tmp_path) == {}
    assert last_costs(tmp_path / "absent") == {}
