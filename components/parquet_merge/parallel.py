"""Two small helpers around threads; the heavy work (DuckDB, Arrow, numpy) runs without the interpreter's lock."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, n_workers: int, n_ahead: int = 0
) -> Iterator[Result]:
    """Apply a function on threads and yield the results in the order of the items.

    At most `n_workers + n_ahead` results exist that were not taken yet, so that memory stays bounded when the consumer
    is the slow part.

    Args:
        function: What to apply.
        items: The items.
        n_workers: Threads, >= 1.
        n_ahead: Items handed over beyond one per thread, >= 0; they keep the threads busy while a consumer works in
            bursts.

    Yields:
        The results, in order.
    """
    with ThreadPoolExecutor(n_workers) as executor:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(executor.submit(function, item))
                if len(pending) >= n_workers + n_ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items in order, fetching the next one on another thread; an exception is raised at its place."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as executor:
        pending: Future[Any] = executor.submit(next, iterator, end)
        while (item := pending.result()) is not end:
            pending = executor.submit(next, iterator, end)
            yield item
