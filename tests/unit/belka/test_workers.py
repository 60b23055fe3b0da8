"""A pool of processes ends, whatever moment one of them dies at."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, struct, sys, time
from belka.errors import RunAgainError
from belka.workers import WorkerPool

def half_an_answer(then):
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        frame = frame.f_back
    os.write(frame.f_locals["result_queue"]._writer.fileno(), struct.pack("!i", 1000) + b"half")
    os._exit(9) if then == "die" else time.sleep(600)

if __name__ == "__main__":
"""
# The other worker is busy: the pool alone can tell that the first has died.
DIES = """
    try:
        with WorkerPool(2) as pool:
            other = pool.submit(time.sleep, 600)
            pool.submit(half_an_answer, "die")
            other.result()
    except RunAgainError as error:
        sys.exit(error.exit_code)
"""
# What is still to be sent to the workers is more than the pipe holds.
IS_STOPPED = """
    with WorkerPool(2) as pool:
        pool.submit(len, b"").result()
        for _ in range(2):
            pool.submit(half_an_answer, "wait")
        for _ in range(4):
            pool.submit(len, bytes(10_000_000))
        time.sleep(1.0)
        sys.exit(130)
"""


def _code(body: str, folder: Path) -> int:
    program = folder / "program.py"
    program.write_text(PROGRAM + body)
    return subprocess.run([sys.executable, program], check=False, timeout=60).returncode


def test_a_worker_that_dies_half_way_through_its_answer_breaks_the_pool(tmp_path: Path) -> None:
    assert _code(DIES, tmp_path) == 75


def test_an_error_ends_the_pool_while_an_answer_is_half_written(tmp_path: Path) -> None:
    assert _code(IS_STOPPED, tmp_path) == 130
