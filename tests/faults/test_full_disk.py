"""A disk that fills up within a step: it is told, and with more room the same command succeeds with equal bytes."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Final

import pytest

from pipeline.steps import Step
from tests.faults.conftest import Fault, Place, assert_none_failed, generator, how_many

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(7200)]

STOPPED: Final = 75  # start the same command again
_ROOM: Final = 2 << 30


@pytest.fixture(scope="module")
def disk(place: Place) -> Iterator[Place]:
    """The output directory as a disk of its own, in memory."""
    place.output.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "tmpfs", str(place.output)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place.output)], check=True)


def _resize(place: Place, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place.output)], check=True)


def _used(place: Place) -> int:
    return shutil.disk_usage(place.output).used


@pytest.mark.parametrize("step", list(Step))
def test_a_step_whose_disk_fills_up_goes_on_with_more_room(disk: Place, step: Step) -> None:
    random, words = generator(f"disk-{step}"), ("step", str(step))
    disk.restore()
    before = _used(disk)
    undisturbed = disk.run(*words, "--no-resume")
    assert undisturbed.returncode == 0, undisturbed.stderr
    needed = _used(disk) - before
    faults = []
    for _ in range(max(1, how_many(6) // len(Step))):
        disk.restore()
        room = int(random.integers(0, needed))
        _resize(disk, _used(disk) + room)
        start = time.monotonic()
        full = disk.run(*words, "--no-resume")
        ended = time.monotonic() - start
        _resize(disk, _ROOM)
        again = disk.run(*words)
        problem, said = "", full.stdout + full.stderr
        # 0: what is left of an earlier try is removed before, and gave the room.
        if full.returncode not in {0, STOPPED} or "defect of the program" in said:
            problem = f"exit code {full.returncode}: {said}"
        stuck = again.returncode != 0
        if stuck:
            problem += again.stdout + again.stderr
        detail = f"{room:,} of {needed:,} bytes, exit code {full.returncode}"
        fault = Fault("full disk", str(step), detail, ended, stuck, disk.differences(), problem=problem)
        faults.append(fault.record())
    assert_none_failed(faults)
