"""Where commands print: folded to the width of a terminal, and not at all where there is none."""

import os
from typing import Final, TextIO

from rich.console import Console

_UNFOLDED: Final = 10_000  # columns; a file, a pipe and a job's log have no width


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
    return console
