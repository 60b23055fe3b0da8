"""Memory the process has freed and will need again in a moment."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyarrow as pa

# glibc's malloc.h
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGEST: Final = 2**31 - 1
# Where glibc's own adjustment of the two ends.
_MMAP_THRESHOLD: Final = 32 << 20
_TRIM_THRESHOLD: Final = 64 << 20


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep freed memory in the process while the block runs, and return it to the system at the end.

    By default glibc and Arrow's own allocator hand large blocks back at once. A training step on a CPU, or a batch of a merge, frees and
    takes hundreds of megabytes, and the system has to clear each page again: a third of the time. So Arrow allocates from glibc in
    the block, and glibc keeps. Where the C library is another one, nothing changes.
    """
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        yield
        return
    pool = pa.default_memory_pool()
    library.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
    library.mallopt(_M_TRIM_THRESHOLD, _LARGEST)
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)
        library.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        library.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
        library.malloc_trim(0)
