"""One run of the command line: a timestamped log file takes everything the libraries print, the console stays readable."""

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console


@dataclass(frozen=True)
class Session:
    """What a running command writes to.

    Args:
        console: The user's terminal; silent with --quiet.
        log_file: The log of this run.
    """

    console: Console
    log_file: Path


@contextmanager
def open_session(output_dir: Path, *, log_level: str, quiet: bool) -> Iterator[Session]:
    """Send log records and everything printed to stdout or stderr, C++ libraries' lines included, to `logs/<time>.log`.

    Args:
        output_dir: The log is written to its folder `logs`.
        log_level: Least level of the log's records.
        quiet: Whether the console stays silent.

    Yields:
        The session; its console still reaches the terminal.
    """
    logs = output_dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log_file = logs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    # TensorFlow reads these when it is first imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = os.dup(sys.stdout.fileno())
    saved = {stream: os.dup(stream.fileno()) for stream in (sys.stdout, sys.stderr)}
    handler = logging.FileHandler(log_file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    if not root.isEnabledFor(logging.DEBUG):  # --log-level DEBUG goes before the configuration
        root.setLevel(log_level)
    logging.captureWarnings(capture=True)
    try:
        with os.fdopen(terminal, "w", encoding="utf-8") as stream, log_file.open("ab", buffering=0) as sink:
            for original in saved:
                os.dup2(sink.fileno(), original.fileno())
            yield Session(Console(file=stream, quiet=quiet, soft_wrap=False), log_file)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for original, copy in saved.items():
            os.dup2(copy, original.fileno())
            os.close(copy)
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
