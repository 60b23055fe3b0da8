"""What this machine, or the container the process runs in, lets it use."""

import math
import os
from pathlib import Path
from typing import Final

CGROUP_CPU_LIMIT: Final = Path("/sys/fs/cgroup/cpu.max")


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
