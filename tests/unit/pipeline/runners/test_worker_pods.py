"""Who a pod is, from what its platform tells it; what it copies; when the first may go on."""

import json
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from belka.contract import METADATA_FILE
from belka.errors import InputError
from pipeline.runners.worker_pods import WorkerPod, copy_metadata, wait_for_farewell


@pytest.mark.parametrize("index", [0, 1])
def test_tensorflow_is_told_all_workers_and_which_one_this_is(index: int) -> None:
    pod = WorkerPod(index, 2, "j-{index}.s:2222")
    assert json.loads(pod.tf_config()) == {
        "cluster": {"worker": ["j-0.s:2222", "j-1.s:2222"]},
        "task": {"type": "worker", "index": index},
    }
    assert pod.is_chief == (index == 0)


@pytest.mark.parametrize(
    ("index", "n_workers", "address", "problem"),
    [
        (2, 2, "j-{index}.s:2222", "index 2 of 2"),
        (-1, 2, "j-{index}.s:2222", "index -1 of 2"),
        (0, 0, "j-{index}.s:2222", "0"),
        (0, 10**9, "j-{index}.s:2222", "1000000000"),
        (0, 2, "j-{index}.s:99999", "j-{index}.s:99999"),
        (0, 2, "j-{index}.s:0", "j-{index}.s:0"),
        (0, 200, "j.s:655{index}", "j.s:655{index}"),
        (0, 2, "j-{index}.s:" + "9" * 5000, "j-{index}.s:" + "9" * 5000),
        (0, 2, "j-0.s:2222", "j-0.s:2222"),
        (0, 2, "j-{index}.s", "j-{index}.s"),
        (0, 2, ":22{index}", ":22{index}"),
        (0, 1, "j-0.s:port", "j-0.s:port"),
    ],
)
def test_what_does_not_fit_together_is_refused(index: int, n_workers: int, address: str, problem: str) -> None:
    with pytest.raises(InputError) as error:
        WorkerPod(index, n_workers, address)
    assert error.value.received == problem
    assert error.value.action


def test_a_worker_takes_metadata_that_are_being_written_as_of_the_last_transaction(tmp_path: Path) -> None:
    there, own = tmp_path / "there", tmp_path / "own"
    there.mkdir()
    own.mkdir()
    (own / METADATA_FILE).write_text("of an earlier start", encoding="utf-8")
    with closing(sqlite3.connect(there / METADATA_FILE)) as writer:
        writer.execute("PRAGMA cache_size = 1")  # pages of an open transaction reach the file
        writer.execute("CREATE TABLE MLMDEnv (schema_version INTEGER)")  # what tells a store of ML Metadata
        writer.execute("CREATE TABLE t (x TEXT)")
        writer.execute("INSERT INTO t VALUES ('whole')")
        writer.commit()
        writer.execute("PRAGMA journal_mode = WAL")
        writer.executemany("INSERT INTO t VALUES (?)", [("half" * 500,)] * 200)
        copy_metadata(there, own)
        writer.rollback()
    with closing(sqlite3.connect(own / METADATA_FILE)) as copy:
        assert copy.execute("SELECT x FROM t").fetchall() == [("whole",)]
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_volume_without_a_dataset_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no dataset to train on") as error:
        copy_metadata(tmp_path / "empty", tmp_path / "own")
    assert "--to make_dataset" in (error.value.action or "")


def test_the_first_worker_waits_until_the_others_are_gone(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("localhost", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
        wait_for_farewell([address], seconds=0.1)
    assert "still runs" in caplog.text
    caplog.clear()
    wait_for_farewell([address], seconds=30)
    assert not caplog.text
