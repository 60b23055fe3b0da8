"""What this machine, or the container the process runs in, lets it use."""

import ctypes
import math
import os
import resource
from pathlib import Path
from typing import Final

from belka.errors import InputError

CGROUP: Final = Path("/sys/fs/cgroup")
CGROUP_CPU_LIMIT: Final = CGROUP / "cpu.max"
# Address space that TensorFlow 2.21 (CPU) needs to be loaded and to score one molecule, with a little more: with 4.0 GB
# it ended in three ways, none with a message of its own; with 4.2 GB it went.
ADDRESS_SPACE: Final = 5 << 30


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


def release_freed_memory() -> None:
    """Give memory that was freed back to the system.

    glibc keeps it for the thread that had it. Where the sizes change from batch to batch, what is kept grows for long.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own
    if trim is not None:
        trim(0)


def check_address_space() -> None:
    """Refuse to begin where TensorFlow cannot be loaded: it would abort, or the kernel end it, without a reason.

    Raises:
        InputError: The limit of address space is below `ADDRESS_SPACE`.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or limit >= ADDRESS_SPACE:
        return
    raise InputError(
        "The limit of address space is too small to load TensorFlow.",
        received=f"{limit / 2**30:.1f} GiB (ulimit -v)",
        expected=f"at least {ADDRESS_SPACE / 2**30:.0f} GiB; training needs more",
        action="Lift it (`ulimit -v unlimited`), and bound memory by system.memory_limit_gb or the container's limit.",
    )
