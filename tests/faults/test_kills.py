"""A step or a run that is killed at a random moment: the same command again succeeds, with equal bytes."""

import shutil
import signal
import subprocess
import time
from typing import Any, Final

import pytest

from pipeline.steps import Step
from tests.faults.conftest import REPOSITORY, Fault, Place, assert_none_failed, generator, how_many

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(7200)]

SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ENDS: Final = {signal.SIGTERM: 143, signal.SIGINT: 130}
PATIENCE: Final = 20.0  # seconds; the product promises 11


def _kill(place: Place, words: tuple[str, ...], sign: signal.Signals, after: float) -> tuple[float, int, str]:
    """Start, kill, wait; seconds to the end, exit code, what it said."""
    process = subprocess.Popen(
        place.command(*words),
        cwd=REPOSITORY,
        env=place.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(sign)
    start = time.monotonic()
    said = process.communicate(timeout=120)[1]
    return time.monotonic() - start, process.returncode, said


def _inject(place: Place, words: tuple[str, ...], random: Any, seconds: float, *, is_first: bool = False) -> Fault:
    """Kill a command that computes everything, in an empty output directory or beside whole outputs; begin again."""
    sign = SIGNALS[random.integers(len(SIGNALS))]
    after = float(random.uniform(0.5, seconds))
    if is_first:
        shutil.rmtree(place.output)
        place.output.mkdir()
    else:
        place.restore()
    ended, code, said = _kill(place, (*words, "--no-resume"), sign, after)
    problem = ""
    # 0 and 3: it had finished before, or while the signal came.
    if code not in {0, 3, ENDS.get(sign, -sign)} or "defect of the program" in said:
        problem = f"exit code {code}: {said}"
    elif ended >= PATIENCE:
        problem = "it did not end in time"
    again = place.run(*words)
    stuck = again.returncode not in {0, 3}
    if stuck:
        problem += again.stderr
    if left := [path.name for path in place.temporary.iterdir()]:
        problem += f"left among the temporary files: {left}"
    detail = f"{sign.name} after {after:.2f} of {seconds:.1f} s, exit code {code}" + ", a first run" * is_first
    kind = f"kill of a {words[0]}"
    return Fault(kind, " ".join(words), detail, ended, stuck, place.differences(), problem=problem).record()


@pytest.mark.parametrize("step", list(Step))
def test_a_step_that_is_killed_is_started_again(place: Place, step: Step) -> None:
    random, words = generator(step), ("step", str(step))
    seconds = place.undisturbed_seconds(*words, "--no-resume")
    n_faults = max(1, how_many(6) // len(Step))
    assert_none_failed([_inject(place, words, random, seconds) for _ in range(n_faults)])


def test_a_run_that_is_killed_is_started_again(place: Place) -> None:
    random = generator("run")
    seconds = place.undisturbed_seconds("run", "--no-resume")
    n_faults = max(1, how_many(4) // 4)
    faults = [_inject(place, ("run",), random, seconds, is_first=number % 2 == 0) for number in range(n_faults)]
    assert_none_failed(faults)
