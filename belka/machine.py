"""What this machine, or the container the process runs in, lets it use, and how the process keeps what it was given."""

import ctypes
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CGROUP: Final = Path("/sys/fs/cgroup")
CGROUP_CPU_LIMIT: Final = CGROUP / "cpu.max"
# glibc's malloc.h
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGEST: Final = 2**31 - 1
# Where glibc's own adjustment of the two ends.
_MMAP_THRESHOLD: Final = 32 << 20
_TRIM_THRESHOLD: Final = 64 << 20


def worker_count(n_workers: int, cgroup_limit: Path = CGROUP_CPU_LIMIT) -> int:
    """Turn the setting `n_workers` into a number of workers.

    Args:
        n_workers: Workers wanted; 0 = as many as there are cores to use.
        cgroup_limit: File with the container's limit, `<quota> <period>` or `max <period>` in microseconds (cgroup v2).

    Returns:
        At least 1. A pod limited to 4 of a node's 64 cores gets 4.
    """
    if n_workers > 0:
        return n_workers
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = cgroup_limit.read_text(encoding="ascii").split()
    except (OSError, ValueError):  # no cgroup v2 here: no limit is known
        return cores
    return cores if quota == "max" else max(1, min(cores, math.ceil(int(quota) / int(period))))


def available_memory(cgroup: Path = CGROUP) -> int:
    """Memory that processes and the cache of files can still take without swapping.

    Args:
        cgroup: Folder with the container's limit and use (cgroup v2).

    Returns:
        Bytes, at least 0: of the machine, or what is left of the container's limit if that is less.
    """
    # Not at the top: prediction counts workers with this module, and does without psutil.
    import psutil

    available: int = psutil.virtual_memory().available
    try:
        limit = (cgroup / "memory.max").read_text(encoding="ascii").strip()
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        lines = (cgroup / "memory.stat").read_text(encoding="ascii").splitlines()
        reclaimable = next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
        left = available if limit == "max" else int(limit) - used + reclaimable
    except (OSError, ValueError, StopIteration):  # no cgroup v2 here: no limit is known
        return available
    return max(0, min(available, left))


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Keep freed memory in the process while the block runs, and return it to the system at the end.

    By default glibc and Arrow's own allocator hand large blocks back at once. A training step on a CPU frees and
    takes hundreds of megabytes, and the system has to clear each page again. So Arrow allocates from glibc in the
    block, and glibc keeps. Where the C library is another one, nothing changes.
    """
    # Not at the top: the command line counts workers with this module, and starts without pyarrow.
    import pyarrow as pa

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
