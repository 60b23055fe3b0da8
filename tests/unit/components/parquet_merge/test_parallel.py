"""The thread helpers: order, bound of the results in waiting, errors at their place."""

import threading
from collections.abc import Iterator

import pytest

from components.parquet_merge.parallel import map_in_order, read_ahead


@pytest.mark.parametrize(("n_workers", "n_ahead"), [(1, 0), (2, 0), (2, 4), (5, 1)])
def test_results_come_in_order_and_few_wait(n_workers: int, n_ahead: int) -> None:
    n_taken, waiting = 0, []

    def items() -> Iterator[int]:
        for item in range(50):
            # When an item is asked for, those before it were handed over.
            waiting.append(item - n_taken)
            yield item

    for expected, result in enumerate(map_in_order(lambda x: 2 * x, items(), n_workers=n_workers, n_ahead=n_ahead)):
        assert result == 2 * expected
        n_taken += 1
    assert n_taken == 50
    assert max(waiting) == n_workers + n_ahead - 1


def test_items_beyond_the_threads_are_handed_over_before_the_first_result_is_taken() -> None:
    last_item = threading.Event()

    def items() -> Iterator[int]:
        yield from (0, 1)
        last_item.set()
        yield 2

    def work(item: int) -> int:
        assert last_item.wait(timeout=30)
        return item

    assert list(map_in_order(work, items(), n_workers=1, n_ahead=2)) == [0, 1, 2]


def test_an_error_of_the_items_is_raised_after_those_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken file")

    ahead = read_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken file"):
        next(ahead)
