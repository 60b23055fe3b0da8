"""Tell how far a piece of work is: one call in a loop, whoever listens and wherever it runs.

    with progress("scoring", "molecules", total=1_000) as done:
        for batch in batches:
            ...
            done.add(len(batch))

On a terminal this becomes a live line, in a file of events and in a pod's log a line now and then.
"""

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Final, TypeVar

from belka.events.channel import LISTENED_SECONDS, LOGGED_SECONDS, emit, is_listened_to
from belka.events.event import Amount, Event, State
from belka.events.node import present_node

_WINDOW_SECONDS: Final = 30.0  # over which the rate is measured
_FEWEST_MARKS: Final = 3  # two intervals: one alone may be what happens once

_Item = TypeVar("_Item")
_numbers = itertools.count()


class Tracker:
    """Counts what is done of one part. Threads may share it.

    Args:
        part: What is being done.
        unit: What is counted, in the plural.
        total: Units there are; None = not known.
        clock: Seconds that only grow.
    """

    def __init__(
        self, part: str, unit: str, total: int | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._part, self._unit, self._total, self._clock = part, unit, total, clock
        self._source = f"{os.getpid()}-{next(_numbers)}"
        self._done = 0
        self._figures: dict[str, float] = {}
        self._told = -LOGGED_SECONDS
        self._seen: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def add(self, n: int = 1, figures: Mapping[str, float] | None = None) -> None:
        """Count units that are done.

        Args:
            n: How many.
            figures: What else is known by now, such as a loss.
        """
        now = self._clock()
        with self._lock:
            self._done += n
            self._figures.update(figures or {})
            # From the first units on: they pay for what happens once, such as compiling a step.
            if not self._seen or now - self._seen[-1][0] >= LISTENED_SECONDS:
                self._seen.append((now, self._done))
                while len(self._seen) > _FEWEST_MARKS and now - self._seen[0][0] > _WINDOW_SECONDS:
                    self._seen.popleft()
            waited = now - self._told
            if waited < LISTENED_SECONDS or (waited < LOGGED_SECONDS and not is_listened_to()):
                return
            self._told = now
        self.tell()

    def tell(self) -> None:
        """Tell how far it is now."""
        with self._lock:
            amount = Amount(self._part, self._done, self._total, self._unit, self._rate(), dict(self._figures))
        emit(Event(State.RUNNING, present_node(), source=self._source, progress=amount))

    def _rate(self) -> float:
        """Units a second, without an interval longer than all others together: compiling, or a validation."""
        intervals = sorted((until - since, after - before) for (since, before), (until, after) in pairwise(self._seen))
        if intervals and intervals[-1][0] > sum(seconds for seconds, _ in intervals[:-1]):
            intervals.pop()
        seconds = sum(seconds for seconds, _ in intervals)
        return sum(units for _, units in intervals) / seconds if seconds else 0.0


@contextmanager
def progress(part: str, unit: str, total: int | None = None) -> Iterator[Tracker]:
    """Count what is done of one part while the block runs; its first and last state are told in any case.

    Args:
        part: What is being done.
        unit: What is counted, in the plural.
        total: Units there are; None = not known. Where several processes share a part, one of them names it.
    """
    tracker = Tracker(part, unit, total)
    if is_listened_to():
        tracker.tell()
    yield tracker
    tracker.tell()


def expect(part: str, unit: str, total: int) -> None:
    """Tell how much there is of a part that other processes, or other places of this one, count.

    Args:
        part: What is being done, as they call it.
        unit: What is counted, in the plural.
        total: Units there are.
    """
    if is_listened_to():
        Tracker(part, unit, total).tell()


def counted(
    items: Iterable[_Item],
    part: str,
    unit: str,
    total: int | None = None,
    *,
    size: Callable[[_Item], int] = lambda _: 1,
) -> Iterator[_Item]:
    """Yield the items of a loop, and tell how far it is.

    Args:
        items: The items.
        part: What is being done.
        unit: What is counted, in the plural.
        total: Units there are; None = not known.
        size: Units of an item.

    Yields:
        The items, in order.
    """
    with progress(part, unit, total) as done:
        for item in items:
            yield item
            done.add(size(item))
