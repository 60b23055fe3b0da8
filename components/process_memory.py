"""Memory the process has freed and will need again in a moment."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

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

    By default glibc hands every large block back at once. A training step on a CPU frees and takes hundreds of megabytes, and the
    system has to clear each page again: a third of the step. Where the C library is another one, nothing changes.
    """
    library = ctypes.CDLL(None)
    if not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        yield
        return
    library.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
    library.mallopt(_M_TRIM_THRESHOLD, _LARGEST)
    try:
        yield
    finally:
        library.mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
        library.mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
        library.malloc_trim(0)
