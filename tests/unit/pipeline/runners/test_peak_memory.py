"""Peak memory sees an allocation that is gone by the time it is asked, and children."""

import subprocess
import sys

from pipeline.runners.peak_memory import tree_memory

BIG = 200_000_000


# In a process of its own: what earlier tests left running in this one grows and shrinks meanwhile.
ALLOCATE = f"""
import mmap, time
from pipeline.runners.peak_memory import SAMPLE_SECONDS, PeakMemory
with PeakMemory() as memory:
    memory.take()
    # Straight from the system: an allocator may keep what is freed, depending on what the process did before.
    with mmap.mmap(-1, {BIG}) as block:
        block.write(b"x" * {BIG})
        time.sleep(20 * SAMPLE_SECONDS)  # on a busy machine the thread that samples waits for seconds
    time.sleep(3 * SAMPLE_SECONDS)
    print(memory.take() - memory.take())
"""


def test_peak_remembers_freed_memory_and_restarts() -> None:
    shown = subprocess.run([sys.executable, "-c", ALLOCATE], check=True, capture_output=True, text=True).stdout
    assert int(shown) > 0.9 * BIG


def test_children_count() -> None:
    before = tree_memory()
    fill = f"b = bytearray({BIG}); b[::4096] = b'x' * len(b[::4096])"
    code = f"import sys; {fill}; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        during = tree_memory()
        child.stdin.close()
    assert during - before > 0.9 * BIG
