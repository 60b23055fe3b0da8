"""One run at a time in an output directory on an object store: an object there says who works, and that they live.

It is no lock: S3 and Google can write an object only where there is none, but Arrow's clients do not offer it. Who
wants to work writes the object and reads it again; who finds another's in its place goes. Two that begin within the
same moments may both read their own: the one whose object was replaced finds out when it publishes, and ends without
publishing anything more.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from belka.errors import BelkaError, InputError
from belka.files import is_running, machine
from belka.places.store import ObjectStore
from belka.state_files import RECOVERY
from pipeline.runners.output_lock import LOCK_FILE

RENEWED_SECONDS: Final = 30.0
GONE_SECONDS: Final = 180.0  # without a sign of life; clocks that differ by a minute do no harm

recovery = logging.getLogger(RECOVERY)


class LostLeaseError(BelkaError):
    """Another run works in the output directory now. Exit code 1."""


@dataclass(frozen=True)
class Holder:
    """Who works in the output directory.

    Attributes:
        run: Names this run alone.
        pid: Its process.
        host: Name of its machine.
        machine: `belka.files.machine` there.
        started: When it began.
        alive: Its last sign of life, in seconds since 1970.
    """

    run: str
    pid: int
    host: str
    machine: str
    started: str
    alive: float

    @property
    def is_gone(self) -> bool:
        """Whether it has ended without taking its object away."""
        if time.time() - self.alive > GONE_SECONDS:
            return True
        # A container that was started again has the number of the one before, and so has the process in it.
        return self.machine == machine() and (self.pid == os.getpid() or not is_running(self.pid))


class Lease:
    """The right to publish.

    Args:
        store: The output directory.
        holder: This run.
    """

    def __init__(self, store: ObjectStore, holder: Holder) -> None:
        self._store, self._holder, self._checked = store, holder, 0.0

    def check(self, *, at_least_every: float = 0.0) -> None:
        """Check that this run still has it.

        Args:
            at_least_every: Seconds for which an earlier look counts. The clock goes on where the process is held up.

        Raises:
            LostLeaseError: Another run has taken it.
        """
        now = time.time()
        if 0.0 <= now - self._checked < at_least_every:
            return
        found = read_holder(self._store)
        if found is None or found.run != self._holder.run:
            raise LostLeaseError(
                "Another run has taken over this output directory.",
                received=f"{self._store.uri}: {_named(found) if found else 'nobody is named there any more'}",
                expected=f"process {self._holder.pid} on {self._holder.host}, which is this one",
                action="Let the other run end, and then run the same command again.",
            )
        self._checked = now

    def renew(self) -> None:
        """Give a sign of life; nothing where another run has taken it."""
        found = read_holder(self._store)
        if found is not None and found.run == self._holder.run:
            _write(self._store, self._holder)

    def release(self) -> None:
        """Give it up."""
        found = read_holder(self._store)
        if found is not None and found.run == self._holder.run:
            self._store.delete(LOCK_FILE)


@contextmanager
def only_run_on(store: ObjectStore) -> Iterator[Lease]:
    """Keep runs on other machines out of an output directory while the block runs.

    Args:
        store: The output directory.

    Yields:
        The right to publish there.

    Raises:
        InputError: Another run has it; the message names it.
    """
    before = read_holder(store)
    if before is not None and not before.is_gone:
        raise _taken(store, before)
    if before is not None:
        recovery.warning(
            "The run that worked in %s (%s) ended without a word; what it had not published is made or sent again.",
            store.uri,
            _named(before),
        )
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    holder = Holder(uuid.uuid4().hex, os.getpid(), socket.gethostname(), machine(), started, time.time())
    _write(store, holder)
    now = read_holder(store)
    if now is not None and now.run != holder.run:
        raise _taken(store, now)
    lease, over = Lease(store, holder), threading.Event()
    renewing = threading.Thread(target=_keep, args=(lease, over), daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        over.set()
        try:
            renewing.join()
            lease.release()
        except BelkaError as error:
            recovery.warning("%s stays in %s: %s", LOCK_FILE, store.uri, error.problem)


def read_holder(store: ObjectStore) -> Holder | None:
    """Who works in an output directory; None where nobody does, or what is written there says nothing."""
    content = store.read(LOCK_FILE)
    if content is None:
        return None
    try:
        found = json.loads(content)
        texts = {name: str(found[name]) for name in ("run", "host", "machine", "started")}
        return Holder(**texts, pid=int(found["pid"]), alive=float(found["alive"]))
    except (ValueError, LookupError, TypeError):
        return None


def _keep(lease: Lease, over: threading.Event) -> None:
    while not over.wait(RENEWED_SECONDS):
        try:
            lease.renew()
        except BelkaError as error:  # publishing finds out whether it matters
            logging.getLogger(__name__).warning("The lease could not be renewed: %s", error)


def _write(store: ObjectStore, holder: Holder) -> None:
    store.write(LOCK_FILE, json.dumps({**asdict(holder), "alive": time.time()}).encode())


def _named(holder: Holder) -> str:
    return f"process {holder.pid} on {holder.host}, started {holder.started}"


def _taken(store: ObjectStore, holder: Holder) -> InputError:
    seconds = max(0.0, time.time() - holder.alive)
    return InputError(
        "Another run is working in this output directory.",
        received=f"{store.uri}: {_named(holder)}, last heard of {seconds:,.0f} s ago",
        expected=f"one run at a time; one that is not heard of for {GONE_SECONDS:,.0f} s counts as gone",
        action="Wait until it ends, or stop it; or name another place with --output-dir.",
    )
