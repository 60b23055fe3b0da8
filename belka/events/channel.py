"""How events come from the processes of a run to the one that listens.

Within a process they are handed over directly. Its children find a socket by an environment variable, which they
inherit however they are started. Where nobody listens, as in a pod of Kubeflow, events are lines of the log.
"""

import logging
import os
import socket
import struct
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from belka.environment import environment_variable
from belka.events.event import Event, from_line, to_line

VARIABLE: Final = "BELKA_EVENTS"
LISTENED_SECONDS: Final = 0.5  # least time between two events about the progress of one part
LOGGED_SECONDS: Final = 30.0  # likewise where they become lines of the log
_LONGEST: Final = 1 << 16  # bytes of an event between processes
_CREDENTIALS: Final = struct.Struct("iII")  # process, user and group of a sender, unix(7)
_SCM_CREDENTIALS: Final = 2  # linux/socket.h
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
    name = os.environ.get(VARIABLE)
    if name:
        # The run that listened has ended, or is too busy: the next event tells the same.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_WAIT_SECONDS)
            sender.sendto(to_line(event).encode(), _address(name))
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
    try:
        with _socket(one_at_a_time) as name, environment_variable(VARIABLE, name):
            yield
    finally:
        _listeners.remove(listener)


@contextmanager
def _socket(hear: Callable[[Event], None]) -> Iterator[str]:
    """A socket for the children, in Linux's abstract namespace: no file of it stays after a kill."""
    name = f"belka-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        receiver.bind(_address(name))
        over = threading.Event()
        thread = threading.Thread(target=_receive, args=(receiver, hear, over), daemon=True)
        thread.start()
        try:
            yield name
        finally:
            over.set()
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waker:
                waker.sendto(b"", _address(name))
            thread.join()


def _address(name: str) -> str:
    return f"\0{name}"


def _receive(receiver: socket.socket, hear: Callable[[Event], None], over: threading.Event) -> None:
    while True:
        received, about, _, _ = receiver.recvmsg(_LONGEST, socket.CMSG_SPACE(_CREDENTIALS.size))
        if over.is_set() and not received:
            return
        # Anyone on the machine may write to such a socket; the kernel says who did.
        users = {_CREDENTIALS.unpack(data)[1] for _, kind, data in about if kind == _SCM_CREDENTIALS}
        try:
            event = from_line(received.decode())
        except ValueError:
            logger.debug("This is no event: %r", received)
            continue
        if users == {os.getuid()}:
            hear(event)
