"""The events of a run as lines on a console without a terminal: text for people, JSON for programs."""

import time
from collections.abc import Callable
from typing import Final

from rich.console import Console

from belka.events.event import Event, State, to_line
from belka.texts import for_terminal
from pipeline.cli.amounts import shown_amount, shown_bytes, shown_time
from pipeline.events.event_file import Spaced

SECONDS_BETWEEN: Final = 30.0  # two lines about the progress of a node


class TextLines:
    """Prints a line for each state, and one now and then about progress.

    Args:
        console: Where.
        clock: Seconds that only grow.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._spaced = Spaced(SECONDS_BETWEEN, clock=clock)
        self._started: dict[str, float] = {}
        self._clock = clock

    def __call__(self, event: Event) -> None:
        """Print what an event says, if it is due."""
        if event.state is State.STARTED:
            self._started[event.node] = self._clock()
            return
        if event.node and self._spaced.keeps(event):
            name = f"{event.step} ({event.node})" if event.step else event.node
            _print(self._console, for_terminal(f"{name}: {self._said(event)}"))

    def _said(self, event: Event) -> str:
        memory = f", peak {shown_bytes(event.memory_bytes)}" if event.memory_bytes else ""
        if event.progress:
            return f"{shown_amount(event.progress)}{memory}"
        if event.state is State.RUNNING or event.state is State.CACHED:
            return str(event.state)
        seconds = self._clock() - self._started.get(event.node, self._clock())
        warned = sum(event.warnings.values())
        warnings = f", {warned} warning{'s' * (warned > 1)} in the log" if warned else ""
        return f"{event.state} after {shown_time(seconds)}{memory}{warnings}"


class JsonLines:
    """Prints events as they are in the file of events, with fewer of them about progress.

    Args:
        console: Where.
        clock: Seconds that only grow.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._spaced = Spaced(SECONDS_BETWEEN, clock=clock)

    def __call__(self, event: Event) -> None:
        """Print an event, if it is due."""
        if self._spaced.keeps(event):
            _print(self._console, to_line(event))


def _print(console: Console, line: str) -> None:
    """Print a line as it is: not folded, not coloured, no markup."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
