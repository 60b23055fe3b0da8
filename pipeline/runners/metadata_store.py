"""The SQLite file of ML Metadata in an output directory: opened so that what a kill left in it is recovered.

A transaction that a kill cut off leaves a journal, which SQLite plays back only where it may write. What cannot be
mended is set aside, and the copy that was made after the last finished node takes its place.
"""

import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ml_metadata import errors, metadata_store
from ml_metadata.proto import metadata_store_pb2

from belka.contract import METADATA_FILE
from belka.errors import InputError, RunAgainError, causes
from belka.files import atomic_path
from belka.state_files import RECOVERY, set_aside

BACKUP: Final = f"{METADATA_FILE}.backup"
# What SQLite keeps beside a database that is being written.
_BESIDE: Final = ("-journal", "-wal", "-shm")
_OWN_TABLE: Final = "MLMDEnv"  # the version of its schema, which every version of ML Metadata writes
_WAIT_SECONDS: Final = 30.0
_LEAST_ROOM: Final = 1 << 22  # bytes: SQLite wants some for its journal, and gives them back when it fails

logger = logging.getLogger(RECOVERY)


def is_store(database: Path) -> bool:
    """Whether there is a store: a file of no bytes, which a full disk leaves, is none."""
    return database.is_file() and database.stat().st_size > 0


def connect(database: Path, *, read_only: bool = False) -> metadata_store.MetadataStore:
    """Open a store, which is made where there is none."""
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    if read_only:
        config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    return metadata_store.MetadataStore(config)


@contextmanager
def reading(database: Path) -> Iterator[metadata_store.MetadataStore]:
    """Open a store to read it while the block runs, wherever it lies.

    Args:
        database: The file. Where it may not be written and needs recovery, a copy is recovered and read. Where it is
            damaged, the copy beside it is read, which the next run puts in its place.

    Raises:
        InputError: It is damaged, and so is its copy or there is none.
    """
    with _recovered(database) as whole:
        yield connect(whole, read_only=True)


def copy_store(source: Path, target: Path) -> None:
    """Copy a store, whole or not at all, also while it is written; SQLite does it, for bytes may be half a transaction.

    Args:
        source: The file. What a kill left in it is recovered as in `reading`.
        target: Where to; replaced.

    Raises:
        OSError: The target cannot be written.
        InputError: See `reading`.
    """
    with (
        _recovered(source) as whole,
        atomic_path(target) as temporary,
        closing(sqlite3.connect(f"{whole.absolute().as_uri()}?mode=ro", uri=True)) as there,
        closing(sqlite3.connect(temporary)) as here,
    ):
        there.backup(here)


@contextmanager
def _recovered(database: Path) -> Iterator[Path]:
    """The file after its recovery, or a copy where it may not be written or is damaged."""
    if database.is_dir():
        yield _whole_copy(database, _damage(database))
        return
    try:
        recover_in_place(database)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:  # somebody writes: its bytes may be half a transaction
            raise
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / database.name
            for suffix in ("", *_BESIDE):
                if (source := database.with_name(database.name + suffix)).is_file():
                    shutil.copyfile(source, copy.with_name(copy.name + suffix))
            recover_in_place(copy)
            yield copy
        return
    except sqlite3.DatabaseError as error:
        yield _whole_copy(database, str(error))
        return
    damage = _damage(database)
    yield _whole_copy(database, damage) if damage else database


def _whole_copy(database: Path, damage: str) -> Path:
    copy = database.with_name(BACKUP)
    if not is_store(copy) or copy == database or _damage(copy):
        raise InputError(
            "The metadata store cannot be read.",
            received=f"{database}: {damage}",
            expected="the SQLite file that a run wrote",
            action="`belka run` sets it aside and makes all again; where an option names it, name another.",
        )
    logger.warning("The metadata store %s is damaged (%s): its copy %s is read.", database, damage, copy)
    return copy


def recover_in_place(database: Path) -> None:
    """Have SQLite play back what an unfinished transaction left.

    Raises:
        sqlite3.OperationalError: The folder or the file may not be written.
        sqlite3.DatabaseError: The file is no database.
    """
    with closing(sqlite3.connect(database, timeout=_WAIT_SECONDS)) as base:
        base.execute("SELECT count(*) FROM sqlite_master").fetchone()


def mend(database: Path) -> None:
    """Make a store usable before a run opens it; what was lost is told. Only the run that holds the folder calls this.

    Args:
        database: The file. An empty one is removed, a damaged one renamed; the copy takes its place where there is one.
    """
    if not database.exists():
        return
    is_empty = database.is_file() and database.stat().st_size == 0
    damage = "it is empty" if is_empty else _damage(database)
    if not damage:
        return
    copy = database.with_name(BACKUP)
    has_copy = is_store(copy) and not _damage(copy)
    if is_empty:
        kept = "removed"
        database.unlink()
    else:
        kept = f"now {set_aside(database)}"
    for suffix in _BESIDE:
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    if has_copy:
        with atomic_path(database) as temporary:
            shutil.copyfile(copy, temporary)
        after = f"Its copy {copy} has taken its place."
    else:
        after = "There is no copy: no earlier result is known, and `belka run` makes all again. Checkpoints are found."
    if has_copy or not is_empty:
        logger.warning("The metadata store %s is damaged (%s); it is %s. %s", database, damage, kept, after)


def store_of_next_run(database: Path) -> Path | None:
    """What `mend` would leave at this place, before it does: the store, or its copy; None where all is lost."""
    found = (each for each in (database, database.with_name(BACKUP)) if is_store(each) and not _damage(each))
    return next(found, None) if database.exists() else None


def back_up(database: Path) -> None:
    """Copy a store beside it, whole or not at all; a failure is logged, for the run needs no copy."""
    try:
        copy_store(database, database.with_name(BACKUP))
    except (OSError, sqlite3.Error, InputError) as error:
        logger.warning("The copy of %s could not be made: %s.", database, error)


def of_full_disk(error: BaseException, database: Path) -> RunAgainError | None:
    """What to say where ML Metadata failed while its disk is full; None where that is not why.

    The first statement that fails says so itself, see `belka.errors.explained`; those after it complain of the
    transaction that the first left open.

    Args:
        error: What stopped the run.
        database: The store.
    """
    failed = next((each for each in causes(error) if isinstance(each, errors.StatusError)), None)
    free = shutil.disk_usage(database.parent).free
    if failed is None or free >= _LEAST_ROOM:
        return None
    return RunAgainError(
        "The disk is full.",
        received=f"{failed}; {free:,} bytes are free in {database.parent}",
        action="Make room and run the same command again: it goes on.",
    )


def _damage(database: Path) -> str:
    """What is wrong with a store; empty where it is whole."""
    if database.is_dir():
        return "it is a folder"
    try:
        with closing(sqlite3.connect(database, timeout=_WAIT_SECONDS)) as base:
            found = base.execute("PRAGMA quick_check(1)").fetchone()[0]
            tables = {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.OperationalError:
        return ""  # locked, or not to be written: no damage
    except sqlite3.DatabaseError as error:
        return str(error)
    if found != "ok":
        return str(found).splitlines()[0]
    # ML Metadata would add its own tables to them, and know of no earlier result. Without any it was just begun.
    return "" if not tables or _OWN_TABLE in tables else "it is a database of something else"
