"""SIGTERM, SIGINT and SIGHUP while a stage trains: the step is finished, its state is saved, and the process ends."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Final, Self

from belka.errors import BelkaError, InterruptedRunError, TerminatedError

logger = logging.getLogger(__name__)

# A pod is killed 30 s after its SIGTERM by default; a step that takes longer than this is not waited for.
PATIENCE_SECONDS: Final = 10.0
_ENDS: Final[dict[int, type[BelkaError]]] = {
    signal.SIGTERM: TerminatedError,
    signal.SIGINT: InterruptedRunError,
    signal.SIGHUP: TerminatedError,  # the terminal was closed
}


class StopRequest:
    """Notes the signals that ask to stop while the `with` block runs; the handlers before it come back after it.

    Python runs a handler between two of its own instructions, so never while TensorFlow computes a step. A thread that
    the operating system's signal wakes at once ends the process where that takes too long.

    Args:
        last_saved: Tells what is saved already, for the message of a process that is not waited for.
        patience: Seconds between the signal and that end.
    """

    def __init__(self, last_saved: Callable[[], str], *, patience: float = PATIENCE_SECONDS) -> None:
        self._last_saved, self._patience = last_saved, patience
        self._number = 0
        self._over = threading.Event()

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return bool(self._number)

    def error(self, saved: str) -> BelkaError:
        """What to raise once the state is saved.

        Args:
            saved: What was saved.
        """
        name = signal.Signals(self._number).name
        action = "Run the same command again: it continues there."
        return _ENDS[self._number](f"The training was stopped by {name}.", received=saved, action=action)

    def __enter__(self) -> Self:
        # Handlers belong to the main thread; elsewhere the signals keep their meaning.
        if threading.current_thread() is threading.main_thread():
            # Who started it with nohup or & ignores some of them on purpose.
            taken = [number for number in _ENDS if signal.getsignal(number) is not signal.SIG_IGN]
            self._before = {number: signal.signal(number, self._note) for number in taken}
            self._reader, self._writer = socket.socketpair()
            self._writer.settimeout(0)
            self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if hasattr(self, "_before"):
            signal.set_wakeup_fd(self._wakeup)
            for number, handler in self._before.items():
                signal.signal(number, handler)
            self._writer.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._number:  # asked twice: at once
            self._end(number)
        self._number = number
        logger.warning("%s: stopping after this step.", signal.Signals(number).name)

    def _watch(self) -> None:
        received = self._reader.recv(1)
        self._reader.close()
        if received and not self._over.wait(self._patience):
            self._end(received[0])

    def _end(self, number: int) -> None:
        try:
            logger.warning("%s: the step is not waited for; %s.", signal.Signals(number).name, self._last_saved())
            logging.shutdown()
        finally:  # whoever reads the log may have gone first
            os._exit(_ENDS[number].exit_code)
