"""One run at a time works with an output directory on a store: who holds it, since when, and who is gone."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from belka.errors import InputError
from belka.files import machine
from belka.places.store import ObjectStore
from belka.places.uri import StoreUri
from pipeline.runners.store import lease as module
from pipeline.runners.store.lease import Holder, only_run_on, read_holder
from pipeline.runners.store.working_folder import worked_on

HOLD = """
import sys, time
from belka.places.uri import store_uri
from pipeline.runners.store.working_folder import worked_on
with worked_on(store_uri(sys.argv[1])):
    print("works", flush=True)
    time.sleep(120)
"""


def test_one_run_works_at_a_time_and_a_killed_one_is_followed(
    uri: StoreUri, elsewhere: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(uri)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "works\n"
        for machine_name in ("work", "b"):
            elsewhere(machine_name)
            with pytest.raises(InputError, match="Another run is working") as told, worked_on(uri):
                pytest.fail("two runs in one output directory")
            assert f"process {process.pid} on {socket.gethostname()}" in told.value.received
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    with worked_on(uri):
        pass
    assert "ended without a word" in caplog.text


def test_a_container_that_was_started_again_follows_itself(uri: StoreUri) -> None:
    """It has the name of the one before, and the process in it the same number."""
    store = ObjectStore(uri)
    before = Holder("before", os.getpid(), "pod", machine(), "2026-01-01T00:00:00+00:00", time.time())
    store.write("run.lock", json.dumps(before.__dict__).encode())
    with only_run_on(store):
        pass
    assert read_holder(store) is None


def test_a_process_number_that_is_used_again_holds_nothing(uri: StoreUri) -> None:
    store = ObjectStore(uri)
    before = Holder("before", os.getppid(), "here", machine(), "2026-01-01T00:00:00+00:00", time.time() - 10_000)
    store.write("run.lock", json.dumps(before.__dict__).encode())
    with only_run_on(store):
        pass


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"run": 1}', "not JSON"])
def test_a_damaged_lock_names_nobody(uri: StoreUri, content: str) -> None:
    store = ObjectStore(uri)
    store.write("run.lock", content.encode())
    assert read_holder(store) is None
    store.write("run.lock", json.dumps({**Holder("r", 1, "h", "m", "s", 0.0).__dict__, "alive": None}).encode())
    assert read_holder(store) is None


@pytest.mark.parametrize(("age", "is_gone"), [(20.0, False), (10_000.0, True)])
def test_a_run_on_another_machine_counts_as_gone_when_it_is_silent(uri: StoreUri, age: float, *, is_gone: bool) -> None:
    store = ObjectStore(uri)
    holder = Holder("t", os.getpid(), "far", "another", "2026-01-01T00:00:00+00:00", time.time() - age)
    store.write("run.lock", json.dumps(holder.__dict__).encode())
    if is_gone:
        with only_run_on(store):
            pass
        assert read_holder(store) is None
    else:
        with pytest.raises(InputError, match="Another run is working"), only_run_on(store):
            pytest.fail("it lives")


def test_a_run_gives_signs_of_life(uri: StoreUri, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENEWED_SECONDS", 0.05)
    store = ObjectStore(uri)
    with only_run_on(store):
        first = read_holder(store)
        assert first is not None
        for _ in range(200):
            now = read_holder(store)
            if now is not None and now.alive > first.alive:
                break
            time.sleep(0.05)
        assert now is not None
        assert (now.run, now.alive > first.alive) == (first.run, True)


def test_two_that_begin_at_once_are_told_apart(uri: StoreUri, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(uri)
    other = Holder("other", 1, "far", "another", "", time.time())
    write: Any = ObjectStore.write

    def both(self: ObjectStore, name: str, content: bytes) -> None:
        write(self, name, content)
        write(self, name, json.dumps(other.__dict__).encode())

    monkeypatch.setattr(ObjectStore, "write", both)
    with pytest.raises(InputError, match="Another run is working"), only_run_on(store):
        pytest.fail("the other wrote last")
    assert read_holder(store) == other
