"""A metadata store that a kill or a full disk left behind."""

import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2

from belka.errors import InputError, RunAgainError, explained
from pipeline.lineage import trace_model
from pipeline.runners.metadata_store import (
    BACKUP,
    back_up,
    connect,
    copy_store,
    mend,
    of_full_disk,
    reading,
    recover_in_place,
    store_of_next_run,
)
from pipeline.runners.outcomes import forget_lost_results, read_outcomes

# Ends in the middle of a transaction whose first pages are in the database already: the journal is hot.
KILLED_WRITER = """
import os, sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None)
base.execute("PRAGMA cache_size = 1")
base.execute("BEGIN IMMEDIATE")
base.execute("CREATE TABLE half (text)")
base.executemany("INSERT INTO half VALUES (?)", [("x" * 900,)] * 2000)
os._exit(0)
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store that knows of one finished execution."""
    path = tmp_path / "metadata.db"
    store = connect(path)
    kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name="merge"))
    context = store.put_context_type(metadata_store_pb2.ContextType(name="node"))
    execution = metadata_store_pb2.Execution(type_id=kind, last_known_state=metadata_store_pb2.Execution.COMPLETE)
    (number,) = store.put_executions([execution])
    (node,) = store.put_contexts([metadata_store_pb2.Context(type_id=context, name="belka.merge")])
    association = metadata_store_pb2.Association(execution_id=number, context_id=node)
    store.put_attributions_and_associations([], [association])
    return path


def kill_a_writer(database: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(database)], check=True)
    assert database.with_name("metadata.db-journal").stat().st_size > 512


def test_after_a_kill_within_a_transaction_the_store_is_as_it_was_before(database: Path) -> None:
    kill_a_writer(database)
    mend(database)
    assert set(read_outcomes(database, "belka")) == {"merge"}
    assert forget_lost_results(database) == []
    with sqlite3.connect(database) as base:
        assert base.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").fetchone() == (0,)


def test_a_reader_alone_recovers_it_as_well(database: Path) -> None:
    kill_a_writer(database)
    assert set(read_outcomes(database, "belka")) == {"merge"}


def test_a_reader_without_the_right_to_write_reads_a_copy(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_a_writer(database)
    before = database.read_bytes()

    def refuse(path: Path) -> None:
        if path == database:
            error = sqlite3.OperationalError(f"attempt to write a readonly database: {path}")
            error.sqlite_errorcode = sqlite3.SQLITE_READONLY
            raise error
        recover_in_place(path)

    # Root, as whom containers run tests, may write everywhere: what SQLite says elsewhere is said for it.
    monkeypatch.setattr("pipeline.runners.metadata_store.recover_in_place", refuse)
    with reading(database) as store:
        assert len(store.get_executions()) == 1
    assert database.read_bytes() == before


def test_a_copy_after_a_kill_is_of_the_store_before(database: Path, tmp_path: Path) -> None:
    kill_a_writer(database)
    copy = tmp_path / "with #, ? and %" / "copy.db"
    copy.parent.mkdir()
    copy_store(database, copy)
    assert set(read_outcomes(copy, "belka")) == {"merge"}
    again = copy.with_name("again.db")
    copy_store(copy, again)
    assert set(read_outcomes(again, "belka")) == {"merge"}


def test_a_store_that_is_being_written_is_not_copied_by_its_bytes(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.runners.metadata_store._WAIT_SECONDS", 0.1)
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            copy_store(database, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_an_empty_file_is_no_store(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = tmp_path / "metadata.db"
    database.touch()
    assert read_outcomes(database, "belka") == {}
    assert forget_lost_results(database) == []
    mend(database)
    assert not database.exists()
    assert caplog.text == ""


@pytest.mark.parametrize("damage", ["half", "garbage", "page"])
def test_a_damaged_store_is_set_aside_and_its_copy_serves(
    database: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    back_up(database)
    whole = database.read_bytes()
    damaged = {
        "half": whole[: len(whole) // 2],
        "garbage": b"no database at all, " * 4000,
        "page": whole[:4096] + bytes(12288) + whole[16384:],
    }[damage]
    database.write_bytes(damaged)
    mend(database)
    kept = database.with_name("metadata.db.damaged-1")
    assert str(kept) in caplog.text
    assert kept.read_bytes() == damaged
    assert set(read_outcomes(database, "belka")) == {"merge"}


@pytest.mark.parametrize("place", ["a folder", "a database of something else"])
def test_what_is_no_store_at_all_is_set_aside_and_the_copy_serves(
    database: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    back_up(database)
    before = connect(database).get_executions()
    database.unlink()
    if place == "a folder":
        (database / "within").mkdir(parents=True)
    else:
        with closing(sqlite3.connect(database)) as base:
            base.execute("CREATE TABLE notes (text)")
    with caplog.at_level(logging.WARNING):
        mend(database)
    assert connect(database).get_executions() == before
    kept = database.with_name("metadata.db.damaged-1")
    assert kept.exists()
    assert f"{kept}" in caplog.text


def test_readers_of_a_damaged_store_read_its_copy_and_leave_both(
    database: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database.with_name(BACKUP).write_text("hardly a copy", encoding="utf-8")
    whole = database.read_bytes()
    database.write_text("no database at all", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        read_outcomes(database, "belka")
    assert store_of_next_run(database) is None
    database.with_name(BACKUP).write_bytes(whole)
    with caplog.at_level(logging.WARNING):
        assert set(read_outcomes(database, "belka")) == {"merge"}
    assert str(database.with_name(BACKUP)) in caplog.text
    copied = tmp_path / "elsewhere.db"
    copy_store(database, copied)
    assert set(read_outcomes(copied, "belka")) == {"merge"}
    assert store_of_next_run(database) == database.with_name(BACKUP)
    assert database.read_text(encoding="utf-8") == "no database at all"


def test_without_a_copy_the_run_starts_with_an_empty_store(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    database.write_bytes(b"no database at all, " * 4000)
    mend(database)
    assert "no earlier result is known" in caplog.text
    assert not database.exists()
    assert read_outcomes(database, "belka") == {}


def test_an_empty_file_after_a_full_disk_is_replaced_by_the_copy(
    database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    back_up(database)
    database.write_bytes(b"")
    mend(database)
    assert "has taken its place" in caplog.text
    assert set(read_outcomes(database, "belka")) == {"merge"}


def test_a_copy_that_is_damaged_as_well_is_not_taken(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("metadata.db", BACKUP):
        (database.parent / name).write_bytes(b"no database at all, " * 4000)
    mend(database)
    assert "no earlier result is known" in caplog.text
    assert not database.exists()


def test_a_copy_that_cannot_be_made_stops_nothing(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    database.write_bytes(b"no database at all, " * 4000)
    with caplog.at_level(logging.WARNING):
        back_up(database)
    assert "copy of" in caplog.text
    assert not (database.parent / BACKUP).exists()


def test_lineage_of_an_older_model_after_a_kill(database: Path) -> None:
    model = database.parent / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text("weights")
    kill_a_writer(database)
    with pytest.raises(InputError, match="does not know the model"):
        trace_model(model)
    database.write_bytes(b"")
    with pytest.raises(InputError, match="store"):
        trace_model(model)


def test_a_store_whose_disk_is_full_is_told_as_that(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        database = disk / "metadata.db"
        store = connect(database)
        kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name="merge"))
        rows = [metadata_store_pb2.Execution(type_id=kind, name=f"{number}" * 100) for number in range(5000)]
        with pytest.raises(errors.StatusError) as full:
            store.put_executions(rows)
        with pytest.raises(errors.StatusError) as after:
            store.put_executions([metadata_store_pb2.Execution(type_id=kind)])
        assert "database or disk is full" in str(full.value)
        for told in (explained(full.value), explained(after.value) or of_full_disk(after.value, database)):
            assert isinstance(told, RunAgainError)
            assert "disk is full" in told.problem
        again = of_full_disk(after.value, database)
        assert again is not None
        assert str(disk) in again.received
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_an_error_of_the_store_with_room_on_the_disk_stays_what_it_is(tmp_path: Path) -> None:
    assert of_full_disk(errors.FailedPreconditionError("Transaction already open."), tmp_path / "metadata.db") is None
    assert of_full_disk(KeyError("node"), tmp_path / "metadata.db") is None
