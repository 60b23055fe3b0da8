"""A run tells that it starts and how it ends: exit code, reason, warnings by kind."""

import errno
import io
import logging
from pathlib import Path

import pytest
from rich.console import Console

from belka.contract import Node
from belka.errors import RunAgainError
from belka.events.channel import emit, listening
from belka.events.event import Event, State, from_line
from belka.exit_codes import ExitCode
from belka.interrupts import Terminated
from belka.progress import progress
from pipeline.cli.progress import StepTable
from pipeline.cli.run_events import HowToRun, gathered, told_run
from pipeline.cli.session import Session
from pipeline.steps import step_of

REFUSED = {"evaluation": {"verdict": {"blessed": False}}}
PUSHED = {"evaluation": {"verdict": {"blessed": True}}}


@pytest.mark.parametrize(
    ("metrics", "nodes", "code", "expected"),
    [
        (REFUSED, None, 3, 3),
        (REFUSED, [Node.PUSHER], 3, 3),
        (REFUSED, [Node.PUSHER], 0, 0),
        (REFUSED, [Node.SMILES_VOCAB], 3, 0),
        (PUSHED, None, 3, 0),
    ],
)
def test_a_model_that_is_not_pushed_decides_about_the_exit_code(
    metrics: dict[str, object], nodes: list[str] | None, code: int, expected: int
) -> None:
    heard = list[Event]()
    with listening(heard.append), told_run(code) as run:
        run.judge(metrics, nodes)
    assert run.exit_code == heard[-1].exit_code == expected
    assert bool(heard[-1].reason) == bool(expected)


def _fail() -> None:
    logging.getLogger("x.y").warning("odd")
    raise RunAgainError("The disk is full.")


def test_an_error_is_told_with_its_exit_code() -> None:
    heard = list[Event]()
    with pytest.raises(RunAgainError), listening(heard.append), told_run(3):
        _fail()
    last = heard[-1]
    assert (last.state, last.exit_code, last.reason, last.warnings) == (
        State.FAILED,
        75,
        "The disk is full.",
        {"x.y": 1},
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (Terminated(), ExitCode.TERMINATED),
        (OSError(errno.ENOSPC, "full"), ExitCode.RUN_AGAIN),
        (ValueError("odd"), ExitCode.FAILED),
        (SystemExit(0), ExitCode.FAILED),
    ],
)
def test_whatever_ends_a_run_has_the_exit_code_of_the_command(error: BaseException, code: ExitCode) -> None:
    heard = list[Event]()
    with pytest.raises(type(error)), listening(heard.append), told_run(3):
        raise error
    assert (heard[-1].state, heard[-1].exit_code) == (State.FAILED, code)
    assert heard[-1].reason


def test_events_of_a_run_are_kept_and_shown(tmp_path: Path) -> None:
    stream = io.StringIO()
    session = Session("r-1", Console(file=stream, width=80), tmp_path / "r-1.log", tmp_path / "r-1.events.jsonl")
    table = StepTable(session.console, [Node.PUSHER], step_of=step_of)
    how = HowToRun(log_format="json", metrics_file=tmp_path / "m.prom")
    with gathered(session, table, how), told_run(0):
        emit(Event(State.STARTED, Node.PUSHER))
        with progress("copying", "files", 2) as done:
            done.add(2)
        emit(Event(State.FINISHED, Node.PUSHER))
    kept = [from_line(line) for line in session.events_file.read_text(encoding="utf-8").splitlines()]
    assert {event.run for event in kept} == {"r-1"}
    assert [event.state for event in kept if event.node == Node.PUSHER] == [State.STARTED, State.FINISHED]
    assert [from_line(line).state for line in stream.getvalue().splitlines()][-1] is State.FINISHED
    assert table.summary()[Node.PUSHER]["state"] == "done"
    assert 'belka_run_exit_code{run="r-1"} 0' in (tmp_path / "m.prom").read_text(encoding="utf-8")
