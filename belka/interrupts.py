"""Ctrl-C, SIGTERM and a closed terminal end every command, whatever its libraries do with signals.

RDKit puts a handler of its own in the place of Python's for SIGINT at every search for a substructure and leaves it
there, so that Ctrl-C is lost. So SIGINT is blocked in all threads, which keeps any handler from running, and a thread
takes it from the kernel and has Python's own handler called. A second thread ends the process where the main thread
does not answer: Python runs handlers between two of its own instructions, never while a library computes.
"""

import _thread
import atexit
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final, NoReturn

from belka.errors import BelkaError, InterruptedRunError, TerminatedError, causes
from belka.files import remove_half_written

# A second more than a training waits for its step, which then tells what is saved.
PATIENCE_SECONDS: Final = 11.0
# Wakes the main thread from a system call, so that it looks for the signal noted; nothing else uses it.
_WAKE: Final = signal.SIGRTMIN + 7
_ENDED: Final = (
    b"error: The command was stopped while a library computed, and did not wait for it.\n"
    b"  to do: Run the same command again. What was half-written is removed; what was finished stays.\n"
)
_CODES: Final = {
    signal.SIGINT: InterruptedRunError.exit_code,
    signal.SIGTERM: TerminatedError.exit_code,
    signal.SIGHUP: TerminatedError.exit_code,
}


class Terminated(KeyboardInterrupt):
    """SIGTERM. Libraries clean up after a KeyboardInterrupt and let it pass."""


class HungUp(Terminated):
    """SIGHUP: the terminal was closed, or the connection to it lost."""


_RAISED: Final[dict[int, type[KeyboardInterrupt]]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
    signal.SIGHUP: HungUp,
}
_asked: list[KeyboardInterrupt] = []  # the requests to stop that came while `stoppable` runs


def stop_of(error: BaseException | None) -> KeyboardInterrupt | None:
    """The request to stop because of which an error was raised; None where there is none.

    TFX raises errors of its own while it cleans up after one, with the request among their causes. DuckDB loses it: its
    "Query interrupted" names no cause. So any error after a request, but one that says that all was saved, is of it.
    """
    chain = list(causes(error))
    found = next((each for each in chain if isinstance(each, KeyboardInterrupt)), None)
    if found is None and not any(isinstance(each, InterruptedRunError | TerminatedError) for each in chain):
        found = next(iter(_asked), None)
    return found


def stopped_error(stop: KeyboardInterrupt, *, action: str) -> BelkaError:
    """What a user is told: who stopped the work, and what to type to go on.

    Args:
        stop: What was raised.
        action: What to do next.
    """
    if isinstance(stop, HungUp):
        return TerminatedError("The command was stopped: its terminal was closed (SIGHUP).", action=action)
    if isinstance(stop, Terminated):
        return TerminatedError("The command was stopped by SIGTERM.", action=action)
    return InterruptedRunError("The command was stopped by the user.", action=action)


@contextmanager
def stoppable(*, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Have SIGINT, SIGTERM and SIGHUP raise in the main thread while the block runs; end the process if it stays busy.

    A second signal ends it at once.

    Args:
        patience: Seconds from the signal to that end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked.clear()
    # Ignored: SIGINT where it was started with &, SIGHUP with nohup.
    taken = [number for number in _RAISED if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before: dict[int, Any] = {number: signal.signal(number, _stop) for number in {*taken, signal.SIGTERM}}
    takes_sigint = signal.SIGINT in taken
    if takes_sigint:  # first: threads take over what is blocked from the one that starts them
        before[_WAKE] = signal.signal(_WAKE, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    reader, writer = socket.socketpair()
    writer.setblocking(False)  # noqa: FBT003 - socket's own signature
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    terminal = os.dup(2)  # commands divert what libraries write to standard error
    threading.Thread(target=_watch, args=(reader, patience, terminal), daemon=True).start()
    over = threading.Event()
    taker = threading.Thread(target=_take_sigint, args=(over,), daemon=True)
    if takes_sigint:
        taker.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        writer.close()  # the watching thread ends
        over.set()
        if takes_sigint and taker.ident is not None:
            signal.pthread_kill(taker.ident, signal.SIGINT)
            taker.join()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked.clear()


def leave(code: int) -> NoReturn:
    """End the process without having its libraries taken apart.

    Python would take TensorFlow and TFX to pieces for seconds, and a signal that came meanwhile would end a command
    with a signal's exit code though all its work is done and told. What libraries ask for at exit is done.

    Args:
        code: The exit code, whatever comes meanwhile.
    """

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        os._exit(code)

    for number in _RAISED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    atexit._run_exitfuncs()  # noqa: SLF001 - the module offers no other way to run them
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):  # whoever read it has gone; it is closed
                stream.flush()
    os._exit(code)


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    request = _RAISED[number]()
    _asked.append(request)
    raise request


def _take_sigint(over: threading.Event) -> None:
    main = threading.main_thread().ident
    while True:
        signal.sigwait({signal.SIGINT})
        if over.is_set():
            return
        _thread.interrupt_main(signal.SIGINT)
        if main is not None:
            signal.pthread_kill(main, _WAKE)


def _watch(reader: socket.socket, patience: float, terminal: int) -> None:
    """End the process some seconds after the first signal to stop, or at the second."""
    try:
        with reader:
            number = _next_stop(reader)
            if number is None:
                return
            reader.settimeout(patience)
            try:
                again = _next_stop(reader)
            except TimeoutError:
                again = number
        if again is not None:
            try:
                remove_half_written()
                os.write(terminal, _ENDED)
            finally:  # whoever read the terminal may have gone first
                os._exit(_CODES[signal.Signals(again)])
    finally:
        os.close(terminal)


def _next_stop(reader: socket.socket) -> int | None:
    while received := reader.recv(1):
        if received[0] in _CODES:
            return received[0]
    return None
