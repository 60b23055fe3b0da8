"""Freed memory stays in the process inside the block and goes back to the system after it."""

import ctypes
from collections.abc import Callable

import psutil
import pyarrow as pa
import pytest

from belka.process_memory import freed_memory_kept

SIZE = 300 << 20


def take_and_free() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    block = library.malloc(ctypes.c_size_t(SIZE))
    ctypes.memset(block, 1, SIZE)
    library.free(ctypes.c_void_p(block))


def take_and_free_with_arrow() -> None:
    buffer = pa.allocate_buffer(SIZE)
    ctypes.memset(buffer.address, 1, SIZE)


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


@pytest.mark.parametrize("use", [take_and_free, take_and_free_with_arrow])
def test_freed_memory_is_kept_in_the_block_and_returned_after_it(use: Callable[[], None]) -> None:
    before = resident()
    with freed_memory_kept():
        use()
        assert resident() - before > 0.9 * SIZE
    assert resident() - before < 0.1 * SIZE


def test_arrow_allocates_as_before_after_an_error() -> None:
    pool = pa.default_memory_pool().backend_name
    with pytest.raises(ValueError, match="inside"), freed_memory_kept():
        raise ValueError("inside")
    assert pa.default_memory_pool().backend_name == pool
