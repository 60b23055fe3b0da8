"""A folder here and a place on a store, kept alike: only what differs is moved, each file whole or not at all.

A list beside the folder tells of each file which object it is alike to. A kill loses of that list the last second at
most, and what it does not tell is moved again.
"""

import itertools
import logging
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from belka.errors import InputError, RunAgainError
from belka.files import atomic_path, remove
from belka.places.store import Listed, ObjectStore
from belka.places.uri import work_root
from belka.progress import progress
from belka.state_files import read_or_set_aside, write_state

THREADS: Final = 8  # files on their way at once
_SAVED_SECONDS: Final = 1.0
_FILES: Final = "files"

logger = logging.getLogger(__name__)


class Known(NamedTuple):
    """What a file and an object were when they were alike.

    Attributes:
        size: Bytes of the object.
        tag: The store's name of its content.
        file_size: Bytes of the file.
        file_changed: When the file was written, nanoseconds since 1970.
    """

    size: int
    tag: str
    file_size: int
    file_changed: int

    @property
    def of_object(self) -> Listed:
        """What it says of the object."""
        return Listed(self.size, self.tag)

    @property
    def of_file(self) -> tuple[int, int]:
        """What it says of the file."""
        return self.file_size, self.file_changed


def _is_visible(name: str) -> bool:
    return not any(part.startswith(".") for part in name.split("/"))


def _unchanged_path(path: Path, _target: Path) -> Path:
    return path


@dataclass
class Mirror:
    """One folder and its place.

    Attributes:
        store: The place.
        folder: The folder.
        list_file: The list.
        counts: Which names belong to it; hidden ones never do.
        arrived: Changes a file that was fetched before it has its name.
        outgoing: The file to send in the place of one, and where it may be written.
        may_send: Raises where nothing may be changed on the store; asked before each change.
        only: The one object that belongs to it, where the place is not a folder of its own.
    """

    store: ObjectStore
    folder: Path
    list_file: Path
    counts: Callable[[str], bool] = lambda _: True
    arrived: Callable[[str, Path], None] = lambda _name, _path: None
    outgoing: Callable[[Path, Path], Path] = _unchanged_path
    may_send: Callable[[], None] = lambda: None
    only: str = ""
    _known: dict[str, Known] = field(default_factory=dict, init=False)
    _saved: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        """Read the list; a damaged one is set aside, and all is moved again."""
        listed = read_or_set_aside(self.list_file).get(_FILES, {})
        try:
            self._known = {name: Known(*values) for name, values in listed.items()}
        except (AttributeError, TypeError):
            logger.warning("%s is of another version: all is fetched again.", self.list_file)

    @property
    def known(self) -> Mapping[str, Known]:
        """Of each file that was alike to an object, what they were then."""
        return self._known

    def there(self) -> dict[str, Listed]:
        """The objects that belong to it."""
        if self.only:
            found = self.store.look_at(self.only)
            return {self.only: found} if found else {}
        return {name: each for name, each in self.store.list_objects().items() if self._belongs(name)}

    def here(self) -> dict[str, tuple[int, int]]:
        """The files that belong to it, with size and time."""
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        names = (path.relative_to(self.folder).as_posix() for path in paths)
        return {name: found for name in names if self._belongs(name) and (found := self._state(name))}

    def differing(self, there: Mapping[str, Listed]) -> list[str]:
        """The objects that no file here is alike to, sorted: by size and tag, and by what became of the file.

        Args:
            there: Objects.
        """
        same = [
            name
            for name, found in there.items()
            if (known := self._known.get(name)) and known.size == found.size and known.of_file == self._state(name)
        ]
        with ThreadPoolExecutor(THREADS) as threads:
            looked = dict(zip(same, threads.map(self.store.look_at, same), strict=True))
        return sorted(name for name in there if (now := looked.get(name)) is None or now != self._known[name].of_object)

    def fetch(self, names: Collection[str], there: Mapping[str, Listed]) -> None:
        """Fetch objects.

        Args:
            names: Their names.
            there: All objects.

        Raises:
            RunAgainError: The disk has no room for them, or the store does not answer to the end.
        """
        if not names:
            return
        total = sum(there[name].size for name in names)
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if free < total:
            raise RunAgainError(
                "There is not enough room for a copy of what lies on an object store.",
                received=f"{free / 1e6:,.1f} MB free on the disk of {work_root()}",
                expected=f"{total / 1e6:,.1f} MB for {self.store.uri}",
                action="Free some space, or name a folder on a larger disk with the variable BELKA_WORK_DIR.",
            )
        logger.info("Fetching %d files, %d bytes, of %s.", len(names), total, self.store.uri)
        stop = threading.Event()
        with progress(f"fetching {self.store.uri}", "bytes", total) as done:

            def one(name: str) -> None:
                self._fetch(name, done.add, stop)

            self._in_threads(one, names, stop)

    def drop(self, names: Iterable[str]) -> None:
        """Remove files here.

        Args:
            names: Their names.
        """
        for name in names:
            remove(self.folder / name)
            self._known.pop(name, None)
            with suppress(OSError):  # the first folder that is not empty
                for above in (self.folder / name).parents:
                    if above == self.folder:
                        break
                    above.rmdir()
        self._save()

    def send(self, rank: Callable[[str], int]) -> int:
        """Send the files that changed since they were alike to their objects; then delete the objects of those removed.

        Args:
            rank: What has a higher one is sent when all of lower ones is there.

        Returns:
            How many files were sent or deleted.
        """
        here = self.here()
        changed = sorted(
            (name for name, state in here.items() if name not in self._known or self._known[name].of_file != state),
            key=lambda name: (rank(name), name),
        )
        for _, names in itertools.groupby(changed, key=rank):
            self._in_threads(self._send, list(names), threading.Event())
        gone = sorted(self._known.keys() - here.keys())
        self.delete(gone)
        return len(changed) + len(gone)

    def delete(self, names: Collection[str]) -> None:
        """Delete objects.

        Args:
            names: Their names.
        """

        def one(name: str) -> None:
            self.may_send()
            self.store.delete(name)
            with self._lock:
                self._known.pop(name, None)

        self._in_threads(one, names, threading.Event())

    def _in_threads(self, work: Callable[[str], None], names: Collection[str], stop: threading.Event) -> None:
        """Do something with each name, several at once; the list is saved however it ends."""
        threads = ThreadPoolExecutor(THREADS)
        try:
            for _ in threads.map(work, names):
                pass
        finally:
            stop.set()
            threads.shutdown(cancel_futures=True)
            self._save()

    def _fetch(self, name: str, count: Callable[[int], None], stop: threading.Event) -> None:
        target = self.folder / name
        if not all(part not in ("", ".", "..") for part in name.split("/")) or "\0" in name:
            raise InputError(
                "An object has a name that no file can have.",
                received=self.store.place(name),
                expected="names without empty parts, . and ..",
                action="Rename the object.",
            )
        with atomic_path(target) as temporary:
            found = self.store.download(name, temporary, count=count, stop=stop)
            self.arrived(name, temporary)
        self._note(name, found)

    def _send(self, name: str) -> None:
        self.may_send()
        path = self.folder / name
        before = self._state(name)
        spare = self.list_file.with_name(f".sent-{path.name}")
        try:
            found = self.store.upload(self.outgoing(path, spare), name)
        except FileNotFoundError:  # removed since, as the oldest log is
            return
        finally:
            remove(spare)
        if before is not None:
            self._note(name, found, before)

    def _note(self, name: str, found: Listed, state: tuple[int, int] | None = None) -> None:
        """Note that a file is alike to an object."""
        state = state or self._state(name)
        with self._lock:
            if state is not None:
                self._known[name] = Known(*found, *state)
            is_due = time.monotonic() - self._saved > _SAVED_SECONDS
        if is_due:
            self._save()

    def _save(self) -> None:
        with self._lock:
            self._saved = time.monotonic()
            listed = {name: list(known) for name, known in sorted(self._known.items())}
            write_state(self.list_file, {"uri": str(self.store.uri), _FILES: listed})

    def _state(self, name: str) -> tuple[int, int] | None:
        try:
            found = (self.folder / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size, found.st_mtime_ns

    def _belongs(self, name: str) -> bool:
        return name == self.only if self.only else _is_visible(name) and self.counts(name)
