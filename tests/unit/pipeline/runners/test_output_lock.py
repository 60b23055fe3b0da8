"""A second run in an output directory is told whose it is; a killed one leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from belka.errors import InputError
from pipeline.runners.output_lock import LOCK_FILE, only_run_in

HOLD = """
import os, sys, time
from pathlib import Path
from pipeline.runners.output_lock import only_run_in
with only_run_in(Path(sys.argv[1])):
    child = os.fork() if sys.argv[2] == "fork" else 1
    if child:
        print(child, flush=True)
    time.sleep(120)
"""


@contextmanager
def holder(folder: Path, how: str = "alone") -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        yield process, child
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        if how == "fork":
            os.kill(child, signal.SIGKILL)


def test_a_second_run_is_told_who_has_it(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, _):
        with pytest.raises(InputError) as caught, only_run_in(tmp_path):
            pytest.fail("two runs in one directory")
        started = json.loads((tmp_path / LOCK_FILE).read_text())["started"]
    named = f"process {process.pid} on {socket.gethostname()}, started {started}"
    assert caught.value.received == f"{tmp_path}: {named}"


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_a_killed_run_leaves_no_lock_behind_nor_do_its_children(tmp_path: Path, how: str) -> None:
    with holder(tmp_path, how) as (process, child):
        process.kill()
        process.wait()
        if how == "fork":
            os.kill(child, 0)  # it lives on
        with only_run_in(tmp_path):
            assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
    assert (tmp_path / LOCK_FILE).read_text() == ""


def test_other_directories_are_free(tmp_path: Path) -> None:
    with holder(tmp_path / "a"), only_run_in(tmp_path / "b"):
        pass


def test_a_failed_run_frees_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_run_in(tmp_path):
        _ = 1 / 0
    with only_run_in(tmp_path):
        pass


def test_the_command_refuses_and_readers_do_not(tmp_path: Path) -> None:
    output, raw = tmp_path / "out", tmp_path / "raw"
    raw.mkdir()
    for name in ("train", "test"):
        (raw / f"{name}.csv").write_text("id\n1\n")
    belka = [sys.executable, "-m", "belka"]
    options = ["--raw-dir", str(raw), "--output-dir", str(output)]
    with holder(output) as (process, _):
        runs = [
            subprocess.run([*belka, *command, *options], capture_output=True, text=True, check=False)
            for command in (["run"], ["step", "get_vocab"], ["config", "show"])
        ]
    assert [done.returncode for done in runs] == [2, 2, 0], [done.stderr for done in runs]
    assert all(f"process {process.pid}" in done.stderr for done in runs[:2])
    assert sorted(path.name for path in output.iterdir()) == [LOCK_FILE]
