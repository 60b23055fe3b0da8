"""The file of a study: Optuna's journal, each line with a digest of itself.

A bit that flips in a score is still a score, and the study would go on with it.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any, Final

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from belka.errors import InputError
from belka.state_files import RECOVERY, content_digest

JOURNAL: Final = "study.journal"
_CHECK: Final = "check"  # a key of each line that Optuna does not look at

recovery = logging.getLogger(RECOVERY)


class CheckedJournal(JournalFileBackend):
    """Optuna's journal in a file whose lines can be told from damaged ones.

    Args:
        folder: Folder of the study; made when needed.

    Raises:
        InputError: A line is not as it was written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / JOURNAL
        lock = JournalFileSymlinkLock(str(file))
        if file.is_file():
            lock.acquire()
            try:
                _mend(file)
                _check(file)
            finally:
                lock.release()
        super().__init__(str(file), lock)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines, see Optuna."""
        super().append_logs([{**log, _CHECK: content_digest(log)} for log in logs])


def _mend(file: Path) -> None:
    """Cut a line that a full disk left unfinished: Optuna would refuse the file once another line follows."""
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(file, len(whole))
        recovery.warning("%s ended within a line; what that line said is lost.", file)


def _check(file: Path) -> None:
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            log = json.loads(line)
            is_whole = log.pop(_CHECK) == content_digest(log)
        except (ValueError, LookupError, AttributeError, TypeError):
            is_whole = False
        if not is_whole:
            raise InputError(
                "The file of the study is damaged.",
                received=f"{file}, line {number}",
                expected="each line as this version of `belka tune` wrote it",
                action=f"Keep the {number - 1} lines before it to go on from there (`head -n {number - 1}`), or name "
                "another folder with --output-dir.",
            )
