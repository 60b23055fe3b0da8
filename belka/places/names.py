"""What a folder of this machine is called where it stays: it may be a copy of what lies on an object store."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from belka.errors import BelkaError

# Folder or file here -> where it stays, while a block of `named_places` runs.
_PLACES: ContextVar[Mapping[str, str]] = ContextVar("places", default={})  # noqa: B039 - never changed in place


@contextmanager
def named_places(places: Mapping[str, str]) -> Iterator[None]:
    """Name folders, and what lies in them, by where they stay while the block runs, also in its errors.

    Args:
        places: Path here -> URI; added to those of the blocks around this one.
    """
    token = _PLACES.set({**_PLACES.get(), **places})
    try:
        yield
    except BelkaError as error:
        error.reword(lambda text: with_places(text, places))
        raise
    finally:
        _PLACES.reset(token)


def place_of(path: Path | str) -> str:
    """Where a folder or file stays: the URI that `named_places` gives it or a folder above it, else its path."""
    text = str(path)
    for here, there in _longest_first(_PLACES.get()):
        if text == here or text.startswith(f"{here}/"):
            return there + text[len(here) :]
    return text


def local_of(place: str) -> Path:
    """The path here of a place that `place_of` named; another place is a path already."""
    by_place = {there: here for here, there in _PLACES.get().items()}
    for there, here in _longest_first(by_place):
        if place == there or place.startswith(f"{there}/"):
            return Path(here + place[len(there) :])
    return Path(place)


def with_places(text: str, places: Mapping[str, str]) -> str:
    """A text for people in which paths of copies are the URIs of what they are copies of.

    Args:
        text: The text.
        places: Path here -> URI.
    """
    for here, there in _longest_first(places):
        text = text.replace(here, there)
    return text


def _longest_first(places: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(places.items(), key=lambda each: -len(each[0]))
