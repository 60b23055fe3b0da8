"""Small JSON files of state: read whole, or refused with the way out, or set aside so that the work goes on.

A kill, a full disk or a bad copy leaves them empty, cut or full of something else.
"""

import hashlib
import itertools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from belka.errors import InputError
from belka.files import atomic_path

# Bytes; the largest that is written here, the provenance of a long history, has less than a tenth of it.
LARGEST: Final = 64 << 20

_Content = TypeVar("_Content", dict[str, Any], list[Any])

# The logger of what was found damaged, or left by a kill, and what became of it: a console shows it beside the log.
RECOVERY: Final = "belka.recovery"

logger = logging.getLogger(RECOVERY)


def read_state(file: Path, *, problem: str, expected: str, action: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        file: The file.
        problem: What cannot be read, as a sentence.
        expected: What should be there.
        action: What to do where it cannot be read.

    Returns:
        Its content.

    Raises:
        InputError: The file is missing, empty, cut, larger than `LARGEST`, no text, no JSON or no object.
    """
    try:
        return _parsed(file, dict)
    except (OSError, ValueError) as error:
        raise InputError(problem, received=f"{file}: {error}", expected=expected, action=action) from error


def read_state_list(file: Path, *, problem: str, expected: str, action: str) -> list[Any]:
    """Read a JSON array, see `read_state`."""
    try:
        return _parsed(file, list)
    except (OSError, ValueError) as error:
        raise InputError(problem, received=f"{file}: {error}", expected=expected, action=action) from error


def read_or_set_aside(file: Path) -> dict[str, Any]:
    """Read a JSON object that can be done without: a damaged file is set aside, which the log tells.

    Args:
        file: The file.

    Returns:
        Its content; empty where there is none, or it was damaged.
    """
    if not file.exists():
        return {}
    try:
        return _parsed(file, dict)
    except (ValueError, IsADirectoryError) as error:
        logger.warning(
            "%s is damaged (%s): it is now %s, and the run goes on without it.", file, error, set_aside(file)
        )
        return {}


def write_state(file: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object whole or not at all."""
    with atomic_path(file) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def content_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON object, whatever the order of its keys: what a bit flips in is still JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def set_aside(file: Path) -> Path:
    """Rename a damaged file to a name that nothing reads, `NAME.damaged-N`.

    Returns:
        The new path.
    """
    names = (file.with_name(f"{file.name}.damaged-{number}") for number in itertools.count(1))
    target = next(path for path in names if not path.exists())
    file.rename(target)
    return target


def _parsed(file: Path, kind: type[_Content]) -> _Content:
    size = file.stat().st_size
    if size == 0:
        raise ValueError("the file is empty")
    if size > LARGEST:
        raise ValueError(f"{size:,} bytes, more than the {LARGEST:,} that such a file can have")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, kind):
        raise ValueError(f"{kind.__name__} is expected, not {type(content).__name__}")  # noqa: TRY004 - of a file
    return content
