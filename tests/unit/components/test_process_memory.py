"""Freed memory stays in the process inside the block and goes back to the system after it."""

import ctypes

import psutil

from components.process_memory import freed_memory_kept

SIZE = 300 << 20


def take_and_free() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    block = library.malloc(ctypes.c_size_t(SIZE))
    ctypes.memset(block, 1, SIZE)
    library.free(ctypes.c_void_p(block))


def resident() -> int:
    return int(psutil.Process().memory_info().rss)


def test_freed_memory_is_kept_in_the_block_and_returned_after_it() -> None:
    before = resident()
    with freed_memory_kept():
        take_and_free()
        assert resident() - before > 0.9 * SIZE
    assert resident() - before < 0.1 * SIZE
    take_and_free()
    assert resident() - before < 0.1 * SIZE
