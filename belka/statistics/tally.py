"""Counting how often each of many numbers occurs, in memory bounded by how many different ones occur."""

from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

_PENDING: Final = 1 << 22

Events = NDArray[np.int64]


class Tally:
    """A sorted list of the numbers that occurred; new ones wait until they are as many as those in the list.

    The order in which numbers come changes nothing. A table with a cell for every possible number was no faster.

    Args:
        pending: Numbers that may wait however short the list is.
    """

    def __init__(self, pending: int = _PENDING) -> None:
        self._found, self._counts = np.empty(0, np.int64), np.empty(0, np.int64)
        self._waiting: list[Events] = []
        self._n_waiting, self._pending = 0, pending
        self._lock = Lock()

    def add(self, events: Events) -> None:
        """Count some numbers, int64[n]; may be called on several threads at once."""
        with self._lock:
            self._waiting.append(events)
            self._n_waiting += events.size
            if self._n_waiting >= max(self._pending, self._found.size):
                self._merge()

    def counts(self) -> tuple[Events, Events]:
        """The numbers that occurred, ascending, and how often each did: int64[m], int64[m]."""
        with self._lock:
            self._merge()
            return self._found, self._counts

    def _merge(self) -> None:
        if not self._waiting:
            return
        events, counts = np.unique(np.concatenate(self._waiting), return_counts=True)
        self._waiting, self._n_waiting = [], 0
        self._found, place = np.unique(np.concatenate([self._found, events]), return_inverse=True)
        merged = np.zeros(self._found.size, np.int64)
        np.add.at(merged, place, np.concatenate([self._counts, counts]))
        self._counts = merged
