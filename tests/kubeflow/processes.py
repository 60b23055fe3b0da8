"""Servers that a test starts on this machine: each with a log of its own, waited for, and ended with the test."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 120.0
STOP_SECONDS = 20.0


def free_ports(number: int) -> list[int]:
    """TCP ports of this machine that nothing listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_until(holds: Callable[[], bool], what: str, seconds: float = START_SECONDS, pause: float = 0.2) -> None:
    """Ask until the answer is yes.

    Raises:
        TimeoutError: It was not within `seconds`; the message has `what`.
    """
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)


@contextmanager
def server(
    command: Sequence[str | Path], log: Path, ready: Callable[[], bool], environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends.

    Args:
        command: What to run.
        log: Where its output goes; the end of it is in the message where it does not come up.
        ready: Whether it answers.
        environment: Its whole environment; this process's by default.
    """
    with log.open("wb") as output:
        process = subprocess.Popen([*map(str, command)], stdout=output, stderr=output, env=environment)

    def up() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        return ready()

    try:
        wait_until(up, f"{command[0]} answers (log: {log})")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
