"""Ctrl-C and SIGTERM reach the program whatever its libraries do; workers end with whoever started them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from belka.interrupts import Terminated, stop_of, stoppable, stopped_error

# Says "ready", then does what `body` says inside the block.
PROGRAM = """
import sys, time
from belka.interrupts import stop_of, stoppable, stopped_error
with stoppable(patience=0.5):
    try:
        {body}
    except KeyboardInterrupt as stop:
        print(type(stop).__name__, flush=True)
        sys.exit(stopped_error(stop, action="").exit_code)
"""
WAITS = "print('ready', flush=True); time.sleep(60)"
SEARCHES = (
    "from rdkit import Chem; molecule = Chem.MolFromSmiles('CC(=O)N'); molecule.HasSubstructMatch(molecule); " + WAITS
)
# Waits for itself in C, where no signal wakes it.
HANGS = (
    "import ctypes; lock = ctypes.CDLL(None).pthread_mutex_lock; mutex = ctypes.create_string_buffer(64); "
    "lock(mutex); print('ready', flush=True); lock(mutex)"
)


def stopped(body: str, *signals: int, program: str = PROGRAM) -> tuple[int, str, str]:
    """Exit code, output and errors of a program that gets signals once it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", program.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    for number in signals:
        time.sleep(0.2)
        process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    return process.returncode, output, errors


@pytest.mark.parametrize("body", [WAITS, SEARCHES], ids=["waiting", "after a search of RDKit"])
@pytest.mark.parametrize(
    ("number", "told", "wanted"),
    [(signal.SIGINT, "KeyboardInterrupt", 130), (signal.SIGTERM, "Terminated", 143), (signal.SIGHUP, "HungUp", 143)],
)
def test_a_signal_ends_the_program(body: str, number: int, told: str, wanted: int) -> None:
    code, output, errors = stopped(body, number)
    assert (code, output, errors) == (wanted, told + "\n", "")


# As DuckDB does, which asks for signals while a query runs: its error does not name the request.
LOSES = """
import sys, time
from contextlib import suppress
from belka.interrupts import stop_of, stoppable, stopped_error
with stoppable():
    try:
        with suppress(KeyboardInterrupt):
            {body}
        raise RuntimeError("Query interrupted")
    except RuntimeError as error:
        assert error.__context__ is None
        stop = stop_of(error)
        sys.exit(stopped_error(stop, action="").exit_code if stop else 1)
"""


def test_an_error_after_a_signal_is_of_the_signal() -> None:
    assert stopped(WAITS, signal.SIGINT, program=LOSES) == (130, "", "")
    assert stopped(WAITS, signal.SIGTERM, program=LOSES) == (143, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_does_not_answer_is_ended(number: int) -> None:
    code, output, errors = stopped(HANGS, number)
    assert (code, output) == (128 + number, "")
    assert "stopped while a library computed" in errors


def test_it_is_ended_also_where_nobody_reads_what_it_says() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=HANGS)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == "ready\n"
    process.stderr.close()
    process.terminate()
    assert process.wait(timeout=30) == 143


def test_what_it_had_half_written_is_removed(tmp_path: Path) -> None:
    writes = (
        "from pathlib import Path; from belka.files import atomic_path; "
        f"context = atomic_path(Path({str(tmp_path)!r}) / 'a.csv'); context.__enter__().write_text('half'); "
    )
    assert stopped(writes + HANGS, signal.SIGTERM)[0] == 143
    assert list(tmp_path.iterdir()) == []


# Prints "ready" at exit, and would wait there for a minute.
OVER = """
import atexit, time
from belka.interrupts import leave, stoppable
atexit.register(lambda: {at_exit})
with stoppable():
    pass
leave(3)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_over_keeps_its_exit_code(number: int) -> None:
    assert stopped(WAITS, number, program=OVER.format(at_exit=f"({WAITS.replace(';', ',')})")) == (3, "", "")


def test_what_libraries_ask_for_at_exit_is_done_and_their_objects_are_left_alone() -> None:
    kept = "class Kept:\n    def __del__(self): print('taken to pieces')\nkept = Kept()\n"
    done = subprocess.run(
        [sys.executable, "-c", kept + OVER.format(at_exit="print('asked for')")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "asked for\n", "")


def test_a_second_signal_ends_it_at_once() -> None:
    assert stopped(HANGS, signal.SIGINT, signal.SIGINT)[0] == 130


def test_whoever_ignored_ctrl_c_before_still_does() -> None:
    body = "print('ready', flush=True); time.sleep(1); print('done')"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509 - as nohup does
    )
    assert process.stdout
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0] == "done\n"
    assert process.returncode == 0


def test_nohup_goes_on_when_the_terminal_is_closed() -> None:
    body = "print('ready', flush=True); time.sleep(1); print('done')"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # noqa: PLW1509 - as nohup does
    )
    assert process.stdout
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    assert (process.communicate(timeout=30)[0], process.returncode) == ("done\n", 0)


def test_afterwards_everything_is_as_it_was() -> None:
    before = (
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    )
    threads = threading.active_count()
    with stoppable():
        pass
    after = (
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    )
    assert before == after
    assert threading.active_count() <= threads + 1  # the watching one may be on its way


def test_what_a_user_is_told() -> None:
    assert stopped_error(KeyboardInterrupt(), action="a").exit_code == 130
    assert stopped_error(Terminated(), action="a").exit_code == 143


def test_a_request_to_stop_is_found_behind_what_a_library_raised_meanwhile() -> None:
    def clean_up() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise FileNotFoundError("while cleaning up")

    with pytest.raises(FileNotFoundError) as caught:
        clean_up()
    assert isinstance(stop_of(caught.value), KeyboardInterrupt)
    assert stop_of(FileNotFoundError()) is None


WORKERS = """
import os, sys, time
from belka.workers import WorkerPool
if __name__ == "__main__":
    with WorkerPool(2) as pool:
        futures = [pool.submit(time.sleep, 60) for _ in range(2)]
        time.sleep(2)
        print(*pool._processes, flush=True)
        time.sleep(60)
"""


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(WORKERS, encoding="utf-8")
    process = subprocess.Popen([sys.executable, tmp_path / "program.py"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    workers = list(map(int, process.stdout.readline().split()))
    assert len(workers) == 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{process}/status").read_text(encoding="ascii")
