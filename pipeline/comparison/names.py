"""Short names of runs."""

from collections.abc import Sequence
from pathlib import Path

from belka.errors import InputError
from belka.places.names import place_of


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
    places = [place_of(folder) for folder in absolute]
    return [_shortest(place, [other for other in places if other != place]) for place in places]


def _shortest(place: str, others: Sequence[str]) -> str:
    parts = _parts(place)
    for depth in range(1, len(parts)):
        end = parts[-depth:]
        if all(_parts(other)[-depth:] != end for other in others):
            return "/".join(end)
    return place


def _parts(place: str) -> tuple[str, ...]:
    return Path(place).parts
