"""Worker processes that end with the process that started them, however it ends."""

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Final

from belka.errors import RunAgainError

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_BETWEEN_LOOKS: Final = 1.0  # seconds


class WorkerPool(ProcessPoolExecutor):
    """A pool of processes; make it in the thread that lives as long as the work.

    They are started anew and not forked: a forked copy of a process that runs other threads, as TensorFlow does, may
    hang. Where the `with` block ends with an error, Ctrl-C included, what they do is not waited for. When one dies, the
    futures have `BrokenProcessPool`, which the end of the block turns into an answer; also where it died half-way
    through an answer of its own: the executor alone waits for the rest of that for ever, since it and the other workers
    hold the pipe's end that writes.

    Args:
        n_workers: Processes, >= 1.
        initializer: Called in each of them before its first task.
        initargs: Its arguments.
    """

    def __init__(
        self, n_workers: int, initializer: Callable[..., None] | None = None, initargs: tuple[Any, ...] = ()
    ) -> None:
        start_tracker()
        started = (os.getpid(), initializer, initargs)
        super().__init__(n_workers, get_context("spawn"), initializer=_start, initargs=started)
        self._answers = self._result_queue._writer  # type: ignore[attr-defined]  # noqa: SLF001 - see the class
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers: when they are done, or at once where there was an error.

        Raises:
            RunAgainError: One of them died.
        """
        self._over.set()
        if kind is not None:
            self._kill()
        self.shutdown(cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise RunAgainError(
                "A worker process ended before its work was done.",
                received=f"{error} (most often the system killed it, where memory ran out)",
                expected="processes that end with the command",
                action="Run the same command again; where memory ran out, with fewer workers.",
            ) from error

    def _watch(self) -> None:
        while not self._over.wait(_BETWEEN_LOOKS):
            workers = list((self._processes or {}).values())
            if wait([worker.sentinel for worker in workers], timeout=0) and not self._over.is_set():
                self._kill()
                return

    def _kill(self) -> None:
        for worker in list((self._processes or {}).values()):
            worker.kill()
        self._answers.close()


def start_tracker() -> None:
    """Start what multiprocessing starts before its first process.

    Starting it, multiprocessing lets SIGINT through that `belka.interrupts` blocks, here and in the workers.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process when the one that started it ends, which also decides about Ctrl-C.

    Args:
        parent: Process id of that one.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)


def _start(parent: int, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    end_with_parent(parent)
    if initializer is not None:
        initializer(*initargs)
