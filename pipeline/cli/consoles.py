"""Where commands print: folded to the width of a terminal, and not at all where there is none."""

import os
import re
import sys
import textwrap
from typing import Final, TextIO, cast

from rich.console import Console

_UNFOLDED: Final = 10_000  # columns; a file, a pipe and a job's log have no width
_FILLING: Final = re.compile(" +$", re.MULTILINE)


def open_console(file: TextIO | None = None, *, stderr: bool = False, quiet: bool = False) -> Console:
    """A console.

    Args:
        file: Where it prints; None = standard output, or error.
        stderr: Whether that is standard error.
        quiet: Whether it prints nothing.

    Returns:
        A console as wide as the terminal, or as the environment variable COLUMNS says; without either, one that folds
        no line.
    """
    console = Console(file=file, stderr=stderr, quiet=quiet, soft_wrap=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _UNFOLDED
        console.file = cast("TextIO", _Trimmed(cast("TextIO", console.file)))
    return console


def open_standard_streams() -> None:
    """Open the null device where a standard stream was closed, as some schedulers start programs.

    Otherwise the next file that is opened gets the stream's number, and what libraries print there goes into it.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, os.O_RDWR)  # the least number that is free: this one, unless it is in use
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def folded(text: str, width: int) -> str:
    """Fold each line between words, what follows indented; a path or SMILES that is wider stays whole, to be copied.

    Args:
        text: Lines, each with the indent that it has.
        width: Columns of the terminal.
    """

    def fill(line: str) -> str:
        indent = line[: len(line) - len(line.lstrip())]
        return textwrap.fill(
            line.strip(),
            width,
            initial_indent=indent,
            subsequent_indent=indent + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )

    return "\n".join(map(fill, text.splitlines()))


class _Trimmed:
    """Writes lines without the blanks with which a table fills them: its longest cell may be wider than any reader.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        """Write whole lines."""
        return self._stream.write(_FILLING.sub("", text))

    def flush(self) -> None:
        """Write what waits."""
        self._stream.flush()

    def isatty(self) -> bool:
        """It is no terminal."""
        return False
