"""One run at a time in an output directory."""

import errno
import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from belka.errors import InputError

LOCK_FILE: Final = "run.lock"

logger = logging.getLogger(__name__)


@contextmanager
def only_run_in(output_dir: Path) -> Iterator[None]:
    """Keep every other run out of an output directory while the block runs; readers need no leave.

    The lock is the operating system's: it ends with the process that holds it, however that ends, also where processes
    it started go on. Between machines that share a volume it holds as far as the volume's file system carries locks:
    NFS does, many network file systems do not.

    Args:
        output_dir: The directory; made if needed.

    Raises:
        InputError: Another run holds it; the message names it.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    # A record lock (lockf) and not flock: a child that is forked and outlives the run does not inherit it.
    with (output_dir / LOCK_FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                file.seek(0)
                raise _taken(output_dir, file.read()) from error
            logger.warning("%s takes no locks (%s): nothing keeps a second run out of it.", output_dir, error)
        file.truncate(0)
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "started": started}, file)
        file.flush()
        yield
        file.truncate(0)


def _taken(output_dir: Path, text: str) -> InputError:
    try:
        holder = json.loads(text)
        name = f"process {holder['pid']} on {holder['host']}, started {holder['started']}"
    except (ValueError, LookupError, TypeError):  # it has the lock, but has not yet written who it is
        name = "another process"
    return InputError(
        "Another run is working in this output directory.",
        received=f"{output_dir}: {name}",
        expected="one run at a time",
        action="Wait until it ends, or stop it; or name another folder with --output-dir.",
    )
