"""The folder of this machine in which an output directory on an object store is worked on.

What lies on the store is brought here first, as far as it is not here already. After each step what changed is sent:
artifacts first, then what says that they are whole (provenance.json, the state of a checkpoint), then what points at
them (champion.json), and the metadata store last. So at any moment it names nothing that is not on the store, whenever
a kill comes.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from belka.contract import CHAMPION_FILE, CHECKPOINT_STATE_FILE, METADATA_FILE, MODELS_FOLDER, PROVENANCE_FILE
from belka.errors import BelkaError, InputError
from belka.files import is_pattern
from belka.interrupts import stop_of
from belka.places.mirror import Mirror
from belka.places.names import named_places
from belka.places.store import Listed, ObjectStore
from belka.places.uri import WORK_VARIABLE, StoreUri, room_of, work_copy_of
from belka.state_files import RECOVERY
from pipeline.runners.leftovers import PIPELINE_ROOT
from pipeline.runners.metadata_store import BACKUP, copy_store
from pipeline.runners.output_lock import LOCK_FILE, only_run_in
from pipeline.runners.store.addresses import artifact_folders, move_addresses
from pipeline.runners.store.lease import Lease, LostLeaseError, only_run_on

_LIST_FILE: Final = "work.json"
_OF_A_DATABASE: Final = (BACKUP, *(f"{METADATA_FILE}{suffix}" for suffix in ("-journal", "-wal", "-shm")))
_OF_THIS_MACHINE: Final = frozenset([LOCK_FILE, *_OF_A_DATABASE])
_POINTER: Final = f"{MODELS_FOLDER}/{CHAMPION_FILE}"
# What says that other files are whole is sent after them.
_RANKS: Final = {PROVENANCE_FILE: 1, CHECKPOINT_STATE_FILE: 1, CHAMPION_FILE: 2, METADATA_FILE: 3}
_LEASE_SECONDS: Final = 5.0  # for which a look at the lease counts while files are sent
_ARTIFACT_PARTS: Final = 4  # pipeline_root, node, output, execution

logger = logging.getLogger(__name__)
recovery = logging.getLogger(RECOVERY)


class WorkingFolder:
    """The folder.

    Args:
        uri: The output directory.

    Attributes:
        folder: The folder.
    """

    def __init__(self, uri: StoreUri) -> None:
        self.uri, self.folder, self.store = uri, work_copy_of(uri), ObjectStore(uri)
        if is_pattern(self.folder):
            raise InputError(
                "The path of the folder for copies holds [, * or ?, which TensorFlow and Beam take for patterns.",
                received=str(self.folder),
                expected="a path without them",
                action=f"Choose another folder with the variable {WORK_VARIABLE}.",
            )
        self._mirror = Mirror(
            self.store,
            self.folder,
            room_of(uri) / _LIST_FILE,
            counts=lambda name: name not in _OF_THIS_MACHINE,
            arrived=self._arrived,
            outgoing=self._outgoing,
            may_send=self._check_lease,
        )
        self._lease: Lease | None = None

    def bring(self, lease: Lease | None = None) -> None:
        """Have here what is published.

        Where another machine published since, or nothing is here, all becomes as it is there: what was made here
        meanwhile and never published is gone. Else what was made here stays, and goes on.

        Args:
            lease: The right to publish; None = the folder is only read.
        """
        self._lease = lease
        there = self._mirror.there()
        if self._is_followed(there):
            self._follow(there)
        else:
            self._become(there)

    def publish(self) -> None:
        """Send what changed.

        Raises:
            LostLeaseError: Another run has taken over the output directory.
            BelkaError: The store refuses, or does not answer to the end.
        """
        if self._lease is None:
            return
        self._lease.check()
        self._follow_pointer()
        sent = self._mirror.send(_rank)
        logger.info("%d files of %s were sent or deleted.", sent, self.uri)

    def _check_lease(self) -> None:
        if self._lease is not None:
            self._lease.check(at_least_every=_LEASE_SECONDS)

    def _follow_pointer(self) -> None:
        """Take over which model is in production, where only that on the store changed: `belka champion set` did it.

        So the next step, which may push, judges by what is true, as on a disk.
        """
        there, known = self.store.look_at(_POINTER), self._mirror.known.get(_POINTER)
        changed_there = there != (known.of_object if known else None)
        if changed_there and self._mirror.here().get(_POINTER) == (known.of_file if known else None):
            if there is None:
                self._mirror.drop([_POINTER])
            else:
                self._mirror.fetch([_POINTER], {_POINTER: there})

    def _is_followed(self, there: Mapping[str, Listed]) -> bool:
        """Whether what is here goes on from what is there: nobody else published since, and it is still here."""
        known, found = self._mirror.known.get(METADATA_FILE), there.get(METADATA_FILE)
        if known is None or found is None:
            return known is None and found is None
        return self._database.is_file() and self.store.look_at(METADATA_FILE) == known.of_object

    def _follow(self, there: Mapping[str, Listed]) -> None:
        """Take over what changed there and did not here, such as champion.json after `belka champion set`."""
        here, known = self._mirror.here(), self._mirror.known
        untouched = {name for name, each in known.items() if here.get(name) == each.of_file}
        differing = self._mirror.differing(there)
        self._mirror.drop(sorted(untouched - there.keys()))
        new = {name for name in differing if name in untouched or (name not in known and name not in here)}
        orphans = {name for name in new - known.keys() if not _is_known(name, set())}
        self._mirror.fetch(sorted(new - orphans), there)
        self._delete_orphans(orphans)

    def _become(self, there: Mapping[str, Listed]) -> None:
        """Make the folder what is there, without what a publication that was cut off had sent.

        The metadata store comes last: until it is here, a run that begins anew does all of this anew.
        """
        folders = self._published_artifacts() if METADATA_FILE in there else set()
        whole = {name: found for name, found in there.items() if _is_known(name, folders)}
        self._mirror.drop(sorted(self._mirror.here().keys() - whole.keys()))
        differing = self._mirror.differing(whole)
        self._mirror.fetch([name for name in differing if name != METADATA_FILE], whole)
        self._mirror.fetch([name for name in differing if name == METADATA_FILE], whole)
        self._delete_orphans(there.keys() - whole.keys())

    def _delete_orphans(self, names: Collection[str]) -> None:
        """Delete what a publication that was cut off had sent, and no metadata store names."""
        if self._lease is not None and names:
            told = "An earlier publication to %s was cut off: %d files that no result names are deleted there."
            recovery.warning(told, self.uri, len(names))
            self._mirror.delete(sorted(names))

    def _published_artifacts(self) -> set[str]:
        """The folders of the artifacts that the metadata store there knows, by their names below it."""
        with TemporaryDirectory() as folder:
            database = Path(folder) / METADATA_FILE
            self.store.download(METADATA_FILE, database, count=lambda _: None)
            found = artifact_folders(database)
        return {place.removeprefix(f"{self.uri}/") for place in found}

    @property
    def _database(self) -> Path:
        return self.folder / METADATA_FILE

    def _arrived(self, name: str, path: Path) -> None:
        if name == METADATA_FILE:
            for beside in _OF_A_DATABASE:  # they belong to the one that is replaced
                (self.folder / beside).unlink(missing_ok=True)
            move_addresses(path, str(self.uri), str(self.folder))

    def _outgoing(self, path: Path, spare: Path) -> Path:
        if path != self._database:
            return path
        copy_store(path, spare)
        move_addresses(spare, str(self.folder), str(self.uri))
        return spare


_at_work: ContextVar[WorkingFolder | None] = ContextVar("at_work", default=None)


@contextmanager
def worked_on(uri: StoreUri) -> Iterator[Path]:
    """Have an output directory here, to work in it, and publish what the block left, also where it failed.

    Args:
        uri: The output directory.

    Yields:
        The folder.

    Raises:
        InputError: Another run works there, or the store refuses.
        RunAgainError: The store does not answer to the end.
    """
    working = WorkingFolder(uri)
    places = {str(room_of(uri)): str(uri), str(working.folder): str(uri)}
    with named_places(places), only_run_in(room_of(uri)), only_run_on(working.store) as lease:
        working.bring(lease)
        token = _at_work.set(working)
        try:
            yield working.folder
        except BaseException as error:
            # Who is asked to stop has seconds: what is not published waits here, and the next run sends it.
            if stop_of(error) is None:
                _publish_after(error, working)
            raise
        else:
            working.publish()
        finally:
            _at_work.reset(token)


@contextmanager
def looked_into(uri: StoreUri) -> Iterator[Path]:
    """Have an output directory here, to read it. Where a run of this machine works in it, it is read as it is.

    Args:
        uri: The output directory.

    Yields:
        The folder.
    """
    working = WorkingFolder(uri)
    with ExitStack() as lock:
        try:
            lock.enter_context(only_run_in(room_of(uri)))
        except InputError:
            if not working.folder.is_dir():
                raise
            logger.info("%s is read as the run that works in it leaves it.", working.folder)
        else:
            working.bring()
    with named_places({str(working.folder): str(uri)}):
        yield working.folder


def publish_step() -> None:
    """Publish what a step left, where the output directory lies on a store; what fails is tried again at the next.

    Raises:
        LostLeaseError: Another run has taken over the output directory.
    """
    working = _at_work.get()
    if working is None:
        return
    try:
        working.publish()
    except LostLeaseError:
        raise
    except BelkaError as error:
        logger.warning("%s could not be brought up to date. %s", working.uri, error)


def _publish_after(failure: BaseException, working: WorkingFolder) -> None:
    try:
        working.publish()
    except BelkaError as error:
        failure.add_note(str(error))
        recovery.warning("What this run left is not all on the store: %s Its folder here: %s", error, working.folder)


def _rank(name: str) -> int:
    return _RANKS.get(name.rpartition("/")[2], 0)


def _is_known(name: str, folders: set[str]) -> bool:
    """Whether a file belongs to an artifact that the metadata store knows, or to none."""
    parts = name.split("/")
    if parts[0] != PIPELINE_ROOT or len(parts) <= _ARTIFACT_PARTS:
        return True
    return any("/".join(parts[:depth]) in folders for depth in range(2, len(parts)))
