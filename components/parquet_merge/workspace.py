"""Room for temporary files: a folder that is gone afterwards, and the check that the disk has enough space."""

import fcntl
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import InputError

PREFIX = ".belka-merge-"
LOCK_FILE = "lock"


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Make a folder for temporary files; what killed merges left in the same parent is removed first.

    A running merge holds a lock on a file in its folder, which the operating system releases when the process ends, however it
    ends. So a folder whose lock is free belongs to nobody.

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


def check_room(work_dir: Path, needed: int) -> None:
    """Check that a disk has room before hours of work.

    Args:
        work_dir: Folder on the disk.
        needed: Bytes that will be written at most.

    Raises:
        InputError: If there is less.
    """
    free = shutil.disk_usage(work_dir).free
    if free < needed:
        raise InputError(
            "There is not enough room for temporary files.",
            received=f"{free / 1e9:.2f} GB free at {work_dir.parent}",
            expected=f"about {needed / 1e9:.2f} GB",
            action="Free some space, or point system.spill_dir at a larger disk.",
        )


def _remove_if_abandoned(folder: Path) -> None:
    try:
        with (folder / LOCK_FILE).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        # Another merge holds the lock, or is just making or removing its folder.
        return
