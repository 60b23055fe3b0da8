"""Peak memory sees an allocation that is gone by the time it is asked, and children."""

import subprocess
import sys
import time

import numpy as np

from pipeline.peak_memory import SAMPLE_SECONDS, PeakMemory, tree_memory

BIG = 200_000_000


def test_peak_remembers_freed_memory_and_restarts() -> None:
    with PeakMemory() as memory:
        memory.take()
        block = np.ones(BIG, dtype=np.uint8)
        time.sleep(3 * SAMPLE_SECONDS)
        del block
        time.sleep(3 * SAMPLE_SECONDS)
        first, second = memory.take(), memory.take()
    assert first - second > 0.9 * BIG


def test_children_count() -> None:
    before = tree_memory()
    code = f"import sys; b = bytearray({BIG}); b[::4096] = b'x' * len(b[::4096]); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        during = tree_memory()
        child.stdin.close()
    assert during - before > 0.9 * BIG
