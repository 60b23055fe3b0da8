"""Short names of runs."""

from collections.abc import Sequence
from pathlib import Path

from belka.errors import InputError


def run_names(folders: Sequence[Path]) -> list[str]:
    """Short names of output directories that tell them apart: their own, with as many parents as that takes.

    Raises:
        InputError: One is named twice.
    """
    absolute = [folder.absolute() for folder in folders]
    if len(set(absolute)) < len(absolute):
        raise InputError(
            "A run is compared with itself.",
            received=", ".join(map(str, folders)),
            expected="output directories of different runs",
            action="Name each once.",
        )
    return [_shortest(folder, [other for other in absolute if other != folder]) for folder in absolute]


def _shortest(folder: Path, others: Sequence[Path]) -> str:
    for depth in range(1, len(folder.parts)):
        end = folder.parts[-depth:]
        if all(other.parts[-depth:] != end for other in others):
            return "/".join(end)
    return str(folder)
