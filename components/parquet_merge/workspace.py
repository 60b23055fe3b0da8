"""What a merge works with: the query engine, a folder that is gone afterwards, and room in memory and on the disk."""

import fcntl
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from belka.errors import RunAgainError
from belka.machine import available_memory, worker_count
from belka.settings import SystemSettings

PREFIX = ".belka-merge-"
LOCK_FILE = "lock"
# DuckDB's share of the memory budget: the other part holds Python, Arrow batches in flight and the parquet encoders.
ENGINE_MEMORY_SHARE = 0.4
# Linux starts to write out at a tenth (vm.dirty_background_ratio).
PLAIN_SPILL_PART = 10


def open_engine(system: SystemSettings, *, temp_dir: Path) -> Any:
    """Open an in-memory DuckDB database that spills into a folder of ours; close the connection after use.

    Args:
        system: Memory budget of the whole process, and threads.
        temp_dir: Folder for what does not fit in memory; made when needed.
    """
    megabytes = max(int(system.memory_limit_gb * 1000 * ENGINE_MEMORY_SHARE), 100)
    return duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{megabytes}MB",
            "threads": worker_count(system.n_workers),
            "temp_directory": str(temp_dir),
            "preserve_insertion_order": True,
        },
    )


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for temporary files; what killed merges left in the same parent is removed first.

    A running merge holds a lock on a file in its folder, which the operating system releases when the process ends,
    however it ends. So a folder whose lock is free belongs to nobody.

    Args:
        parent: Where to make it; made when needed.

    Yields:
        The folder; it is removed at the end.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for folder in parent.glob(f"{PREFIX}*"):
        _remove_if_abandoned(folder)
    folder = parent / f"{PREFIX}{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        with (folder / LOCK_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder)


def check_room(needs: Sequence[tuple[Path, int]]) -> None:
    """Check that the disks have room before hours of work.

    Args:
        needs: Existing folders and the bytes that will be written into each at most; folders on one disk share its
            room.

    Raises:
        RunAgainError: If a disk has less.
    """
    by_disk: dict[int, list[tuple[Path, int]]] = {}
    for folder, n_bytes in needs:
        by_disk.setdefault(folder.stat().st_dev, []).append((folder, n_bytes))
    for entries in by_disk.values():
        needed, folder = sum(n_bytes for _, n_bytes in entries), entries[0][0]
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise RunAgainError(
                "There is not enough room for temporary files and the output.",
                received=f"{free / 1e6:,.1f} MB free on the disk of {folder.parent}",
                expected=f"about {needed / 1e6:,.1f} MB",
                action="Free some space, or point system.spill_dir at a larger disk.",
            )


def plain_spill_bytes(folder: Path, *, needed: int, memory_limit_gb: float) -> int:
    """How many bytes of temporary files may be left as they are, because memory holds them until they are read again.

    Compression costs more time than a disk only when the bytes never get that far: the system begins to write them out
    when they fill a tenth of its memory. So the limit is a tenth of what the merge's own budget leaves, and of the disk
    what is surely not needed.

    Args:
        folder: Folder of the temporary files.
        needed: Bytes that will be written there at most if all are compressed.
        memory_limit_gb: Memory budget of the process, GB.
    """
    unused_memory = available_memory() - int(memory_limit_gb * 1e9)
    return max(0, min(unused_memory // PLAIN_SPILL_PART, shutil.disk_usage(folder).free - needed))


def _remove_if_abandoned(folder: Path) -> None:
    try:
        with (folder / LOCK_FILE).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        # Another merge holds the lock, or is just making or removing its folder.
        return
