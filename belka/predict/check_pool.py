"""Check the SMILES of a file in worker processes."""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

from belka.machine import worker_count
from belka.predict.check import CheckedSmiles, CheckSettings, SmilesChecker
from belka.predict.table_input import CHUNK_ROWS
from belka.workers import WorkerPool

_PART_ROWS: Final = 1_024
_PARTS_EACH: Final = 2  # for a process: the one it checks, and the next

_checker: SmilesChecker | None = None  # of a worker process


def _start_worker(settings: CheckSettings) -> None:
    global _checker  # noqa: PLW0603 - what a process pool's initializer makes has no other place
    _checker = SmilesChecker(settings)


def _check_part(texts: Sequence[str | None]) -> list[CheckedSmiles]:
    assert _checker is not None
    return _checker.check_all(texts)


class CheckPool(ExitStack):
    """Checks SMILES in worker processes: parsing costs as much as scoring. The first chunk stays in this process.

    Args:
        settings: What checking depends on.
        n_workers: Processes; 0 = all cores.

    Attributes:
        settings: As given.
        ahead: Chunks to check ahead of the one being scored, so that no process waits. What is checked and not yet
            scored takes memory, so no more than that.
    """

    def __init__(self, settings: CheckSettings, n_workers: int) -> None:
        super().__init__()
        self.settings = settings
        self._own = SmilesChecker(settings)
        self._workers = worker_count(n_workers)
        self.ahead = math.ceil(_PARTS_EACH * self._workers * _PART_ROWS / CHUNK_ROWS)
        self._pool: WorkerPool | None = None
        self._chunks = 0

    def submit(self, texts: Sequence[str | None]) -> Callable[[], list[CheckedSmiles]]:
        """Start to check a chunk; the function returned waits for the results."""
        self._chunks += 1
        if self._chunks == 1 or self._workers == 1:
            done = self._own.check_all(texts)
            return lambda: done
        if self._pool is None:
            self._pool = self.enter_context(WorkerPool(self._workers, _start_worker, (self.settings,)))
        starts = range(0, len(texts), _PART_ROWS)
        parts = [self._pool.submit(_check_part, texts[start : start + _PART_ROWS]) for start in starts]
        return lambda: [item for part in parts for item in part.result()]
