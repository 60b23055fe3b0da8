"""A session on this machine ends all of its processes, also where it is killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

STARTS = """
import sys, time
from pathlib import Path
from pipeline.runners.flink.session import _running
with Path(sys.argv[1]).open("wb") as log, _running(["sleep", "1000"], log) as process:
    print(process.pid, flush=True)
    time.sleep(1000)
"""


def test_its_processes_end_with_it_even_by_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        child = Path("/proc", session.stdout.readline().strip())
        assert child.exists()
        session.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while child.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not child.exists()
