"""The events of a run as a file of JSON lines beside its log."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from belka.events.event import Event, to_line

SECONDS_BETWEEN: Final = 10.0  # two events about the progress of a node


class Spaced:
    """Tells which events to keep: all about states, and of those about a node's progress one in a while.

    Args:
        seconds: Least time from any event of a node that was kept to one about its progress.
        ends: Whether the end of a part is kept in any case.
        clock: Seconds that only grow.
    """

    def __init__(self, seconds: float, *, ends: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._ends, self._clock = seconds, ends, clock
        self._kept: dict[str, float] = {}
        self._ended: dict[str, str] = {}  # node -> the part whose end it told last

    def keeps(self, event: Event) -> bool:
        """Whether an event is kept."""
        now, amount = self._clock(), event.progress
        if amount is not None:
            is_end = self._ends and amount.done == amount.total and self._ended.get(event.node) != amount.part
            self._ended[event.node] = amount.part if amount.done == amount.total else ""
            if not is_end and now - self._kept.setdefault(event.node, now) < self._seconds:
                return False
        self._kept[event.node] = now
        return True


class EventFile:
    """Appends events to a file, each whole.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._stream: TextIO = path.open("a", encoding="utf-8")
        self._spaced = Spaced(SECONDS_BETWEEN, ends=True)

    def __call__(self, event: Event) -> None:
        """Write one event."""
        if self._spaced.keeps(event):
            self._stream.write(to_line(event) + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
