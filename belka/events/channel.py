"""How events come from the processes of a run to the one that listens.

Within a process they are handed over directly. Its children find a socket by an environment variable, which they
inherit however they are started. Where nobody listens, as in a pod of Kubeflow, events are lines of the log.
"""

import logging
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from belka.events.event import Event, from_line, to_line

VARIABLE: Final = "BELKA_EVENTS"
LISTENED_SECONDS: Final = 0.5  # least time between two events about the progress of one part
LOGGED_SECONDS: Final = 30.0  # likewise where they become lines of the log
_LONGEST: Final = 1 << 16  # bytes of an event between processes
_LONGEST_PATH: Final = 100  # of a socket; the system's limit is 107
_WAIT_SECONDS: Final = 0.2

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Listener:
    hear: Callable[[Event], None]
    process: int  # a forked child inherits the list, not the listener


_listeners: list[_Listener] = []


def emit(event: Event) -> None:
    """Tell an event to whoever listens. It never fails and never waits long: no work is lost for it."""
    heard = [each for each in _listeners if each.process == os.getpid()]
    for each in heard:
        each.hear(event)
    if heard:
        return
    address = os.environ.get(VARIABLE)
    if address:
        # The run that listened has ended, or is too busy: the next event tells the same.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_WAIT_SECONDS)
            sender.sendto(to_line(event).encode(), address)
    else:
        logger.info("%s", to_line(event))


def is_listened_to() -> bool:
    """Whether events reach a run that gathers them, and not only the log."""
    return bool(os.environ.get(VARIABLE)) or any(each.process == os.getpid() for each in _listeners)


@contextmanager
def listening(hear: Callable[[Event], None]) -> Iterator[None]:
    """Have the events of this process and its children told while the block runs.

    Args:
        hear: Called with each event, one at a time, from any thread.
    """
    lock = threading.RLock()

    def one_at_a_time(event: Event) -> None:
        with lock:
            try:
                hear(event)
            except Exception:  # of a view or a file, for which no work must be lost
                logger.exception("An event could not be taken: %s", to_line(event))

    listener = _Listener(one_at_a_time, os.getpid())
    _listeners.append(listener)
    before = os.environ.get(VARIABLE)
    try:
        with tempfile.TemporaryDirectory(prefix="belka-") as folder, _socket(Path(folder), one_at_a_time) as address:
            os.environ[VARIABLE] = address
            yield
    finally:
        _listeners.remove(listener)
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


@contextmanager
def _socket(folder: Path, hear: Callable[[Event], None]) -> Iterator[str]:
    """A socket for the children; its folder is this user's alone."""
    address = str(folder / "events")
    if len(address.encode()) > _LONGEST_PATH:  # an unusual TMPDIR: what children do is not seen, and all else is
        yield ""
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        over = threading.Event()
        thread = threading.Thread(target=_receive, args=(receiver, hear, over), daemon=True)
        thread.start()
        try:
            yield address
        finally:
            over.set()
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", address)
            thread.join()


def _receive(receiver: socket.socket, hear: Callable[[Event], None], over: threading.Event) -> None:
    while True:
        received = receiver.recv(_LONGEST)
        if over.is_set() and not received:
            return
        try:
            event = from_line(received.decode())
        except ValueError:  # of whatever else writes to this socket
            logger.debug("This is no event: %r", received)
            continue
        hear(event)
