"""Copies here of what lies on a store, for reading; and files that are written here and sent when they are whole."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from belka.contract import CHAMPION_FILE, SAVED_MODEL_FILE, SERVED_CONFIG_FILE
from belka.errors import InputError
from belka.files import is_name
from belka.places.mirror import Mirror
from belka.places.names import named_places
from belka.places.store import ObjectStore
from belka.places.uri import StoreUri, copy_of, file_of, room_of

LIST_FILE: Final = "list.json"
_LOCK_FILE: Final = "copy.lock"
_SENT_LOCK_FILE: Final = "sent.lock"
# A server that watches the place takes a model for whole where its graph is there; what names a version comes last.
_RANKS: Final = {SAVED_MODEL_FILE: 1, SERVED_CONFIG_FILE: 2, CHAMPION_FILE: 2}


@contextmanager
def copied(uri: StoreUri, counts: Callable[[str], bool] = lambda _: True) -> Iterator[Path]:
    """Have here, while the block runs, what lies at a URI.

    What was copied before and is the same there is not fetched again. Meanwhile no other command of this machine
    changes the copy.

    Args:
        uri: A folder, or one object.
        counts: Which names below the folder are wanted.

    Yields:
        The copy; its name here is the URI's. A folder without objects is not there.

    Raises:
        InputError: The bucket is not there or refuses access; or the object changed while another command here reads
            the copy.
        RunAgainError: The store does not answer to the end, or the disk is too small.
    """
    store, target, room = ObjectStore(uri), copy_of(uri), room_of(uri)
    if uri.key and store.is_object():
        target = file_of(uri)
        mirror = Mirror(ObjectStore(uri.parent), target.parent, room / LIST_FILE, only=uri.name)
    else:
        mirror = Mirror(store, target, room / LIST_FILE, counts)
    room.mkdir(parents=True, exist_ok=True)
    with (room / _LOCK_FILE).open("a+") as lock:
        is_ours = _take(lock)
        _make_alike(mirror, uri, is_ours=is_ours)
        fcntl.flock(lock, fcntl.LOCK_SH)
        with named_places({str(target): str(uri)}):
            yield target


@contextmanager
def copied_model(uri: StoreUri) -> Iterator[Path]:
    """Have a model here, see `copied`: of a folder of versions, the one in production alone.

    Args:
        uri: What `belka.models.folder.open_model_folder` takes.

    Yields:
        The copy.
    """
    pointer = ObjectStore(uri).read(CHAMPION_FILE)
    version = _version(pointer)
    with copied(uri, lambda name: not version or name == CHAMPION_FILE or name.startswith(f"{version}/")) as copy:
        yield copy


@contextmanager
def changed_copy(uri: StoreUri) -> Iterator[Path]:
    """Have a folder here, see `copied`, and send what the block changed in it, unless it fails.

    Args:
        uri: The folder.

    Yields:
        The copy.
    """
    with copied(uri) as copy:
        yield copy
        Mirror(ObjectStore(uri), copy, room_of(uri) / LIST_FILE).send(_rank)


@contextmanager
def sent_file(uri: StoreUri) -> Iterator[Path]:
    """Have a file that the block writes here sent to a store, unless the block fails.

    The bucket is asked for first: that it is not there, or refuses, is told before the work.

    Args:
        uri: The object.

    Yields:
        The file to write. What is written beside it stays until the next such command.

    Raises:
        InputError: The URI names no object, another command here writes it, or see `copied`.
    """
    if not uri.key:
        raise InputError(
            "A URI names a bucket where a file is needed.",
            received=str(uri),
            expected=f"{uri}/NAME",
            action="Add the name of the file.",
        )
    store, target = ObjectStore(uri.parent), file_of(uri)
    store.check_bucket()
    target.parent.mkdir(parents=True, exist_ok=True)
    with (room_of(uri) / _SENT_LOCK_FILE).open("a+") as lock, named_places({str(target): str(uri)}):
        if not _is_free(lock):
            raise InputError(
                "Another command on this machine writes the same object.",
                received=str(uri),
                expected="one at a time",
                action="Wait until it ends, or name another object.",
            )
        yield target
        store.upload(target, uri.name)
        target.unlink()


def _take(lock: IO[str]) -> bool:
    """Whether the copy may be changed; else somebody here reads it, and it stays as it is."""
    is_ours = _is_free(lock)
    if not is_ours:
        fcntl.flock(lock, fcntl.LOCK_SH)  # waits for who is fetching it
    return is_ours


def _is_free(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_alike(mirror: Mirror, uri: StoreUri, *, is_ours: bool) -> None:
    there = mirror.there()
    differing, gone = mirror.differing(there), sorted(mirror.here().keys() - there.keys())
    if is_ours:
        mirror.drop(gone)
        mirror.fetch(differing, there)
    elif differing or gone:
        raise InputError(
            "What lies on the store changed while another command on this machine reads its copy.",
            received=f"{uri}: {', '.join([*differing, *gone][:5])}",
            expected="the content that the other command began with",
            action="Wait until it ends; or name another folder for copies with the variable BELKA_WORK_DIR.",
        )


def _rank(name: str) -> int:
    return _RANKS.get(name.rpartition("/")[2], 0)


def _version(pointer: bytes | None) -> str:
    """The version that champion.json names; empty where there is none, or it is damaged, which its reader tells."""
    try:
        content = json.loads(pointer or b"")
    except ValueError:
        return ""
    version = content.get("version") if isinstance(content, dict) else None
    return version if isinstance(version, str) and is_name(version) else ""
