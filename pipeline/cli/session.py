"""One run of the command line: a log file takes everything that libraries print, and the console stays readable."""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TextIO

from rich.console import Console

from belka.machine import check_address_space
from belka.state_files import RECOVERY
from belka.texts import for_terminal
from pipeline.cli.consoles import open_console
from pipeline.log_records import told_to

LOGS: Final = "logs"
_EVENTS_SUFFIX: Final = ".events.jsonl"
_LOG_SUFFIX: Final = ".log"


@dataclass(frozen=True)
class Session:
    """What a run writes to.

    Attributes:
        run: Its name, that of its files in the folder of logs.
        console: Reaches the terminal.
        log_file: The log.
        events_file: Its events, as JSON lines.
    """

    run: str
    console: Console
    log_file: Path
    events_file: Path


@contextmanager
def open_session(output_dir: Path, *, log_level: str, keep_logs: int, quiet: bool) -> Iterator[Session]:
    """Send log records and everything printed to stdout or stderr, C++ libraries' lines included, to `logs/<run>.log`.

    Args:
        output_dir: The log is written to its folder `logs`.
        log_level: Least level of the log's records.
        keep_logs: Runs whose files stay in that folder, this one included, >= 1.
        quiet: Whether the console stays silent.

    Yields:
        Where the run writes to.

    Raises:
        InputError: There is not the address space that TensorFlow, which these commands load, needs.
    """
    check_address_space()
    logs = output_dir / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    run = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    log_file = logs / f"{run}{_LOG_SUFFIX}"
    log_file.touch()
    remove_old_logs(logs, keep_logs)
    # TensorFlow reads these when it is first imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    handler = told_to(logging.FileHandler(log_file, encoding="utf-8"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    if not root.isEnabledFor(logging.DEBUG):  # --log-level DEBUG goes before the configuration
        root.setLevel(log_level)
    logging.captureWarnings(capture=True)
    try:
        with log_file.open("ab", buffering=0) as sink, diverted((sys.stdout, sys.stderr), sink) as terminal:
            console = open_console(terminal, quiet=quiet)
            with _told(console):
                yield Session(run, console, log_file, logs / f"{run}{_EVENTS_SUFFIX}")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


def remove_old_logs(logs: Path, keep: int) -> None:
    """Keep the files of the newest runs in a folder of logs; names begin with the time, so they sort by it.

    Args:
        logs: The folder.
        keep: Runs whose files stay, >= 1.
    """
    runs = sorted(path.name.removesuffix(_LOG_SUFFIX) for path in logs.glob(f"*{_LOG_SUFFIX}"))
    for run in runs[:-keep]:
        for suffix in (_LOG_SUFFIX, _EVENTS_SUFFIX):
            (logs / f"{run}{suffix}").unlink(missing_ok=True)


class _Notes(logging.Handler):
    """Shows on the console what was found damaged and what became of it; everything else is in the log."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        self._console.print(f"note: {for_terminal(record.getMessage())}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _told(console: Console) -> Iterator[None]:
    notes, logger = _Notes(console), logging.getLogger(RECOVERY)
    logger.addHandler(notes)
    try:
        yield
    finally:
        logger.removeHandler(notes)


@contextmanager
def diverted(streams: Sequence[TextIO], sink: IO[bytes]) -> Iterator[TextIO]:
    """Send to a file what this process, C++ libraries included, writes to some of its standard streams.

    Args:
        streams: `sys.stdout`, `sys.stderr`, or both.
        sink: The file.

    Yields:
        Where the first of the streams went before.
    """
    saved = {stream: os.dup(stream.fileno()) for stream in streams}
    try:
        with os.fdopen(os.dup(saved[streams[0]]), "w", encoding="utf-8") as before:
            for stream in streams:
                stream.flush()
                os.dup2(sink.fileno(), stream.fileno())
            yield before
    finally:
        for stream, copy in saved.items():
            stream.flush()
            os.dup2(copy, stream.fileno())
            os.close(copy)


def _has_descriptor(stream: TextIO) -> bool:
    """Whether a stream is one of the system's: that of a program that calls a command may not be."""
    try:
        stream.fileno()
    except OSError:
        return False
    return True


@contextmanager
def own_stderr() -> Iterator[TextIO]:
    """Keep standard error for this command: what libraries write to it is lost, unless --log-level is DEBUG.

    Yields:
        Standard error.

    Raises:
        InputError: There is not the address space that TensorFlow, which these commands load, needs.
    """
    check_address_space()
    if logging.getLogger().isEnabledFor(logging.DEBUG) or not _has_descriptor(sys.stderr):
        yield sys.stderr
        return
    with tempfile.TemporaryFile() as sink, diverted([sys.stderr], sink) as terminal:
        yield terminal
