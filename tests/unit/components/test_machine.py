"""Workers from the setting, the cores and the container's limit."""

import os
from pathlib import Path

import pytest

from components.machine import worker_count

CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("wanted", "limit", "expected"),
    [
        (3, "100000 100000", 3),
        (0, "max 100000", CORES),
        (0, "100000 100000", 1),
        (0, "50000 100000", 1),
        (0, "9000000 1000", CORES),
        (0, "not a limit at all", CORES),
    ],
)
def test_worker_count(tmp_path: Path, wanted: int, limit: str, expected: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(limit, encoding="ascii")
    assert worker_count(wanted, file) == expected


def test_without_cgroup_all_cores(tmp_path: Path) -> None:
    assert worker_count(0, tmp_path / "absent") == CORES
