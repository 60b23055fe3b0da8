"""The events of one run: who tells of the run as a whole, and who gets them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from belka.contract import Node
from belka.errors import BelkaError, explained
from belka.events.channel import emit, listening
from belka.events.event import Event, State
from belka.events.node import WarningCounter, reason_of
from belka.interrupts import stop_of, stopped_error
from pipeline.cli.lines import JsonLines, TextLines
from pipeline.cli.options import LogFormat
from pipeline.cli.progress import StepTable
from pipeline.cli.session import Session
from pipeline.events.event_file import EventFile
from pipeline.events.metrics_file import MetricsFile
from pipeline.events.stream import Outlet, RunStream
from pipeline.runners.peak_memory import PeakMemory
from pipeline.steps import step_of


@dataclass(frozen=True)
class HowToRun:
    """What the options of a command say about how it runs.

    Attributes:
        resume: Whether the cache and checkpoints may serve. It is about this command, not about those that follow.
        quiet: Whether the console stays silent.
        log_format: What the console prints while nodes run: `text`, or events as lines of JSON.
        metrics_file: Where the state of the run is kept for Prometheus; None = nowhere.
        not_pushed_code: Exit code where a model was judged and not pushed.
    """

    resume: bool = True
    quiet: bool = False
    log_format: LogFormat = "text"
    metrics_file: Path | None = None
    not_pushed_code: int = 0


@contextmanager
def gathered(session: Session, table: StepTable, how: HowToRun) -> Iterator[None]:
    """Have the events of a run, while the block runs, kept in its file and shown as the options say.

    Args:
        session: What the run writes to.
        table: The table of steps.
        how: How it runs.
    """
    outlets: list[Outlet] = [table]
    if how.log_format == "json":
        outlets.append(JsonLines(session.console))
    elif not session.console.is_terminal:
        outlets.append(TextLines(session.console))
    if how.metrics_file:
        outlets.append(MetricsFile(how.metrics_file.absolute()))
    with closing(EventFile(session.events_file)) as file, PeakMemory() as memory:
        stream = RunStream(session.run, [file, *outlets], step_of=step_of, memory=memory)
        with listening(stream.hear):
            yield


class ToldRun:
    """How a run ends.

    Attributes:
        exit_code: Of the command.
        reason: Why, where it is not 0.

    Args:
        not_pushed_code: Exit code where a model was judged and not pushed.
    """

    def __init__(self, not_pushed_code: int) -> None:
        self._not_pushed_code = not_pushed_code
        self.exit_code, self.reason = 0, ""

    def judge(self, metrics: Mapping[str, Any], nodes: Sequence[str] | None) -> None:
        """Note whether the model was pushed.

        Args:
            metrics: The content of metrics.json.
            nodes: The nodes that ran; None = all.
        """
        judged = nodes is None or Node.PUSHER in nodes
        if judged and self._not_pushed_code and not metrics["evaluation"]["verdict"]["blessed"]:
            self.exit_code, self.reason = self._not_pushed_code, "The model did not pass the gate and was not pushed."


def _exit_code(error: BaseException) -> int:
    """The exit code that the command line makes of an error."""
    if stop := stop_of(error):
        return stopped_error(stop, action="").exit_code
    known = explained(error)
    return BelkaError.exit_code if known is None else known.exit_code


@contextmanager
def told_run(not_pushed_code: int) -> Iterator[ToldRun]:
    """Tell that a run starts, and how it ends.

    Args:
        not_pushed_code: Exit code where a model was judged and not pushed.

    Yields:
        Takes what decides about the exit code.
    """
    run, warnings, root = ToldRun(not_pushed_code), WarningCounter(), logging.getLogger()
    root.addHandler(warnings)
    emit(Event(State.STARTED))
    try:
        yield run
    except BaseException as error:
        reason, code = reason_of(error), _exit_code(error)
        emit(Event(State.FAILED, warnings=warnings.by_kind, reason=reason, exit_code=code))
        raise
    else:
        emit(Event(State.FINISHED, warnings=warnings.by_kind, reason=run.reason, exit_code=run.exit_code))
    finally:
        root.removeHandler(warnings)
