"""The process that scores draws: what it runs out of, or is killed for, is a trial's failure and no one else's."""

import logging
import os
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final, Self

from belka.errors import BelkaError, explained
from belka.workers import end_with_parent, start_tracker
from pipeline.tuning.draw_task import DrawTask

_DRAWS_EACH: Final = 50  # draws, after which the process is replaced: TensorFlow keeps a little of every graph
_KILLED: Final = (
    "its process was ended by signal {}: the system does so where memory runs out, and a limit of the container does"
)
# Number of the validation and its score -> whether the training goes on.
OnValidation = Callable[[int, float], bool]


class TrialFailedError(BelkaError):
    """A configuration that could not be scored; the study goes on. Exit code 1."""


class OutOfTimeError(Exception):
    """The time is over before the score is there."""


class StoppedEarlyError(Exception):
    """A training ended because its validations are worse than those of others."""


class _StopError(Exception):
    """Ends a training in the process."""


class Worker:
    """A process that is started when it is needed and again when it is gone."""

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Connection | None = None
        self._draws = 0

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.end()

    def end(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process, self._pipe, self._draws = None, None, 0

    def score(self, task: DrawTask, on_validation: OnValidation, deadline: float | None) -> dict[str, float]:
        """Score a draw.

        Args:
            task: Configuration and draw.
            on_validation: Says after each validation whether the training goes on.
            deadline: Moment of `time.monotonic` at which the process is ended; None = never.

        Returns:
            Average precision by `target/group`.

        Raises:
            TrialFailedError: It could not be scored.
            StoppedEarlyError: `on_validation` said so.
            OutOfTimeError: The deadline came.
        """
        pipe = self._connected()
        try:
            pipe.send(task)
            while True:
                _wait(pipe, deadline)
                name, *values = pipe.recv()
                if name == "validated":
                    pipe.send(on_validation(*values))
                elif name == "scored":
                    return dict(values[0])
                elif name == "stopped":
                    raise StoppedEarlyError
                else:
                    raise TrialFailedError(values[0], received=values[1])
        except (EOFError, ConnectionError) as error:
            raise self._gone() from error
        except (OutOfTimeError, KeyboardInterrupt):
            self.end()
            raise

    def _connected(self) -> Connection:
        if self._draws >= _DRAWS_EACH:
            self.end()
        self._draws += 1
        if self._pipe is None:
            start_tracker()
            spawn = get_context("spawn")
            self._pipe, theirs = spawn.Pipe()
            level = logging.getLogger().level
            # No daemon: those may have no processes of their own, which the merge has. It ends with this one by itself.
            self._process = spawn.Process(target=_serve, args=(theirs, os.getpid(), level))
            self._process.start()
            theirs.close()
        return self._pipe

    def _gone(self) -> TrialFailedError:
        self._process.join()
        code = self._process.exitcode
        self.end()
        ended = _KILLED.format(-code) if code is not None and code < 0 else f"its process ended with {code}"
        return TrialFailedError("The trial was lost.", received=ended)


def _wait(pipe: Connection, deadline: float | None) -> None:
    if not pipe.poll(None if deadline is None else max(0.0, deadline - time.monotonic())):
        raise OutOfTimeError


def _serve(pipe: Connection, parent: int, level: int) -> None:
    """Score what comes until nothing comes any more."""
    end_with_parent(parent)
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    from pipeline.tuning.score_draw import score_draw  # imports TensorFlow

    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(pipe, task, score_draw))


def _answer(pipe: Connection, task: DrawTask, score: Callable[..., dict[str, float]]) -> tuple[Any, ...]:
    number = 0

    def on_validation(value: float) -> None:
        nonlocal number
        number += 1
        pipe.send(("validated", number, value))
        if not pipe.recv():
            raise _StopError

    try:
        return ("scored", score(task, on_validation))
    except _StopError:
        return ("stopped",)
    except Exception as error:
        logging.getLogger(__name__).exception("A trial failed.")
        known = explained(error)
        if known is None:
            return ("failed", "The trial failed.", f"{type(error).__name__}: {str(error)[:500]}")
        return ("failed", known.problem, known.received)
