"""One run of the command line: a log file takes everything that libraries print, and the console stays readable."""

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

from rich.console import Console

from belka.state_files import RECOVERY
from belka.texts import for_terminal


@contextmanager
def open_session(output_dir: Path, *, log_level: str, quiet: bool) -> Iterator[tuple[Console, Path]]:
    """Send log records and everything printed to stdout or stderr, C++ libraries' lines included, to `logs/<time>.log`.

    Args:
        output_dir: The log is written to its folder `logs`.
        log_level: Least level of the log's records.
        quiet: Whether the console stays silent.

    Yields:
        A console that still reaches the terminal, and the log file.
    """
    logs = output_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log_file = logs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    # TensorFlow reads these when it is first imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    handler = logging.FileHandler(log_file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    if not root.isEnabledFor(logging.DEBUG):  # --log-level DEBUG goes before the configuration
        root.setLevel(log_level)
    logging.captureWarnings(capture=True)
    try:
        with log_file.open("ab", buffering=0) as sink, diverted((sys.stdout, sys.stderr), sink) as terminal:
            console = Console(file=terminal, quiet=quiet, soft_wrap=False)
            with _told(console):
                yield console, log_file
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


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
