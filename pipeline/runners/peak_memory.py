"""Peak resident memory of this process and its children, sampled."""

import threading
from types import TracebackType
from typing import Final, Self

import psutil

SAMPLE_SECONDS: Final = 0.25


class PeakMemory:
    """Sample the resident memory of the process tree in a thread, while the `with` block runs.

    Shared pages count once per process, so the figure is an upper bound where workers are forked.
    """

    def __init__(self) -> None:
        self._peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def take(self) -> int:
        """The peak in bytes since the last call; sampling goes on from the present use."""
        now = tree_memory()
        peak, self._peak = max(self._peak, now), now
        return peak

    def peak(self) -> int:
        """The peak in bytes since `take` was called last."""
        return self._peak

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._peak = max(self._peak, tree_memory())


def tree_memory() -> int:
    """Resident memory of this process and all its descendants, bytes."""
    process = psutil.Process()
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_info().rss
        except psutil.Error:  # a child that ended in between holds no memory
            continue
    return total
