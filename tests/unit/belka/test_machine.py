"""Workers from the setting, the cores and the container's limit; memory from the machine and the container's limit."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from belka.machine import available_memory, worker_count

# 256 MB in pieces that the allocator does not map one by one, freed but for one in sixteen, as batches leave them.
FREED = """
import psutil
from belka.machine import release_freed_memory
process, before = psutil.Process(), psutil.Process().memory_info().rss
pieces = [b"x" * 16_384 for _ in range(16_384)]
kept = pieces[::16]
del pieces
freed = process.memory_info().rss
release_freed_memory()
print(freed - before, process.memory_info().rss - before)
"""
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


@pytest.mark.parametrize(
    ("limit", "used", "cached", "expected"),
    [("1000", "700", "200", 500), ("1000", "1100", "0", 0), ("1000", "1000", "1000", 1000)],
)
def test_memory_left_of_the_containers_limit(tmp_path: Path, limit: str, used: str, cached: str, expected: int) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n", encoding="ascii")
    (tmp_path / "memory.current").write_text(f"{used}\n", encoding="ascii")
    (tmp_path / "memory.stat").write_text(f"active_file 5\ninactive_file {cached}\n", encoding="ascii")
    assert available_memory(tmp_path) == expected


@pytest.mark.parametrize("limit", ["max", str(2**62), "no number", None])
def test_memory_of_the_machine_where_no_limit_is_lower(tmp_path: Path, limit: str | None) -> None:
    if limit:
        (tmp_path / "memory.max").write_text(limit, encoding="ascii")
    (tmp_path / "memory.current").write_text("0", encoding="ascii")
    (tmp_path / "memory.stat").write_text("inactive_file 0\n", encoding="ascii")
    total = psutil.virtual_memory().total
    assert 0.01 * total < available_memory(tmp_path) <= total


@pytest.mark.parametrize("gib", [1.2, 2.5, 3.5, 4.0])
def test_a_limit_of_address_space_is_told_before_tensorflow_aborts(gib: float) -> None:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({int(gib * 2**30)},) * 2)"
    code = f"{limit}; from pipeline.cli.main import program; program()"
    command = [sys.executable, "-c", code, "predict", "--model", "absent", "CCO"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 2, done.stderr
    assert "The limit of address space is too small to load TensorFlow." in done.stderr
    assert f"{gib:.1f} GiB (ulimit -v)" in done.stderr


def test_freed_memory_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before > 200e6
    assert after < 100e6
