"""Atomic writes: a file or folder appears under its name whole, or not at all; and paths as patterns."""

import errno
import functools
import glob
import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from belka.errors import InputError

logger = logging.getLogger(__name__)


# Name of a temporary file or folder: whose it is, so that what a kill leaves behind is told from what is being written.
_TEMPORARY: Final = re.compile(r"\.tmp-(?P<machine>[0-9a-f]{12})-(?P<process>\d+)-[0-9a-f]{12}-.+", re.DOTALL)
_TEMPORARY_VARIABLE: Final = "TMPDIR"  # where processes that this one starts look for the folder for temporary files
_being_written: set[Path] = set()
_looked_into: set[Path] = set()  # folders in which this process has looked for what others left


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` and rename it to `target` when the block ends without an error.

    The temporary name starts with a dot, so that no reader takes a half-written file for a whole one, and ends as the
    target's does, for writers that choose their format by it. What is written is on the disk before it has its name.
    What killed processes of this machine left in the same folder is removed.

    Args:
        target: File or folder to be written; its parent is made if needed. An existing one is replaced by its like:
            a file never takes the place of a folder, whose content would be gone.

    Yields:
        The temporary path. The block creates a file or a folder there.

    Raises:
        InputError: The target is a device or a pipe.
        IsADirectoryError: The block made a file, and the target is a folder.
    """
    _refuse_device(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.parent not in _looked_into:
        _looked_into.add(target.parent)
        for left in abandoned(target.parent):
            remove(left)
    temporary = _temporary(target)
    _being_written.add(temporary)
    try:
        yield temporary
        _sync(temporary)
        if target.is_dir():
            if not temporary.is_dir():
                raise _folder_there(target)
            before = _temporary(target)
            target.rename(before)
            temporary.replace(target)
            remove(before)  # a link goes, not what it leads to
        else:
            temporary.replace(target)
        _sync_folder(target.parent)
    finally:
        remove(temporary)
        _being_written.discard(temporary)


@contextmanager
def own_temporary_folder() -> Iterator[None]:
    """Have what this process and those it starts put into the system's folder for temporary files lie in one folder.

    Beam, TensorFlow and multiprocessing leave files there when they are killed, and some when they are not. The folder
    goes when the block ends; that of a killed process goes with the next command of the same user.
    """
    try:
        system = Path(tempfile.gettempdir())
        for left in abandoned(system):
            with suppress(OSError):  # another user's
                remove(left)
        folder = _temporary(system / "belka")
        folder.mkdir(mode=0o700)
    except OSError:  # a disk that is full or read-only: whoever needs such a file says so
        yield
        return
    before, variable = tempfile.tempdir, os.environ.get(_TEMPORARY_VARIABLE)
    _being_written.add(folder)
    tempfile.tempdir = os.environ[_TEMPORARY_VARIABLE] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        if variable is None:
            del os.environ[_TEMPORARY_VARIABLE]
        else:
            os.environ[_TEMPORARY_VARIABLE] = variable
        shutil.rmtree(folder, ignore_errors=True)  # a thread of a library may still write to it
        _being_written.discard(folder)


def check_file_place(target: Path) -> None:
    """Say before the work that a file cannot be written.

    Raises:
        InputError: A device or a pipe lies there.
        OSError: A folder lies there; or the folder that it comes to is a file or may not be written.
    """
    _refuse_device(target)
    if target.is_dir():
        raise _folder_there(target)
    folder = next(parent for parent in target.absolute().parents if parent.exists())  # the rest is made
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        number = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
        raise OSError(number, os.strerror(number), str(folder))


def _folder_there(target: Path) -> IsADirectoryError:
    return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))


def _refuse_device(target: Path) -> None:
    """Keep /dev/null, /dev/stdout and the like from being replaced by a file, which is what a rename does."""
    try:
        mode = target.stat().st_mode
    except OSError:  # nothing there, or writing will say what is wrong
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(
            "A device or a pipe lies where a file is needed.",
            received=str(target),
            expected="a file, or nothing yet: what is written is renamed to it when it is whole",
            action="Name another place.",
        )


def remove_half_written() -> None:
    """Remove what this process has begun to write and not finished, before it is ended without being waited for."""
    for path in list(_being_written):
        with suppress(OSError):
            remove(path)


def abandoned(folder: Path) -> list[Path]:
    """What processes of this machine that are gone left half-written in a folder, sorted by name.

    Those of other machines that share the volume, and of other containers, stay: nobody here knows whether they run.
    """
    return sorted(path for path in folder.glob(".tmp-*") if _is_abandoned(path.name))


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _temporary(target: Path) -> Path:
    return target.parent / f".tmp-{machine()}-{os.getpid()}-{uuid.uuid4().hex[:12]}-{target.name}"


def _is_abandoned(name: str) -> bool:
    found = _TEMPORARY.fullmatch(name)
    if found is None or found["machine"] != machine():
        return False
    return not is_running(int(found["process"]))


def is_running(process: int) -> bool:
    """Whether a process of this machine runs."""
    return Path("/proc", str(process)).exists()


@functools.cache
def machine() -> str:
    """Name the processes among which a process id means one: those of a boot and of a container."""
    parts = [Path("/proc/sys/kernel/random/boot_id").read_bytes(), str(Path("/proc/self/ns/pid").readlink()).encode()]
    return hashlib.sha256(b" ".join(parts)).hexdigest()[:12]


def _sync(path: Path) -> None:
    """Have the system write a file, or a folder and all in it, to the disk."""
    if path.is_dir():
        for child in path.iterdir():
            _sync(child)
        _sync_folder(path)
    elif path.is_file():
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    except OSError:  # some network file systems sync files only
        logger.debug("%s cannot be synced.", folder)
    finally:
        os.close(number)


def literal_pattern(path: Path) -> str:
    """The pattern that matches this path alone, for readers that take patterns, as all of DuckDB's do.

    A folder named `[ab]*` is a folder, never the folders whose names begin with a or b.
    """
    return glob.escape(str(path))


def is_pattern(path: Path) -> bool:
    """Whether a path holds `[`, `*` or `?`: TensorFlow and Beam take it for a pattern, and cannot be told otherwise."""
    return glob.has_magic(str(path))


def is_name(text: str) -> bool:
    """Whether a text that was read from a file is the name of a thing in one folder, and no way out of that folder."""
    return text not in ("", ".", "..") and not set(text) & {"/", "\\", "\0"}
