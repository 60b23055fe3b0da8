"""A step or a run that is killed at a random moment: the same command again succeeds, with equal bytes."""

import signal
import subprocess
import time
from typing import Any, Final

import pytest

from pipeline.steps import Step
from tests.faults.conftest import REPOSITORY, Fault, Place, generator, how_many

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(7200)]

SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ENDS: Final = {signal.SIGTERM: 143, signal.SIGINT: 130}
PATIENCE: Final = 20.0  # seconds; the product promises 11


def _undisturbed_seconds(place: Place, *words: str) -> float:
    place.restore()
    start = time.monotonic()
    run = place.run(*words)
    assert run.returncode in {0, 3}, run.stderr
    return time.monotonic() - start


def _kill(place: Place, words: tuple[str, ...], sign: signal.Signals, after: float) -> tuple[float, int, str]:
    """Start, kill, wait; seconds to the end, exit code, what it said."""
    # Whoever starts the tests in the background has them ignore Ctrl-C, and what they start as well.
    command = ["env", "--default-signal=INT", *place.command(*words)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(sign)
    start = time.monotonic()
    said = process.communicate(timeout=120)[1]
    return time.monotonic() - start, process.returncode, said


def _inject(place: Place, kind: str, words: tuple[str, ...], random: Any, seconds: float) -> Fault:
    sign = SIGNALS[random.integers(len(SIGNALS))]
    after = float(random.uniform(0.5, seconds))
    place.restore()
    ended, code, said = _kill(place, (*words, "--no-resume"), sign, after)
    # 0 and 3: it had finished before, or while the signal came.
    assert code in {0, 3, ENDS.get(sign, -sign)}, said
    assert "defect of the program" not in said
    assert ended < PATIENCE
    again = place.run(*words)
    fault = Fault(
        kind,
        " ".join(words),
        f"{sign.name} after {after:.2f} of {seconds:.1f} s",
        ended,
        again.returncode not in {0, 3},
        place.differences(),
    )
    fault.record()
    assert not fault.stuck, again.stderr
    assert not fault.differs
    return fault


@pytest.mark.parametrize("step", list(Step))
def test_a_step_that_is_killed_is_started_again(place: Place, step: Step) -> None:
    random, words = generator(step), ("step", str(step))
    seconds = _undisturbed_seconds(place, *words, "--no-resume")
    for _ in range(max(1, how_many(6) // len(Step))):
        _inject(place, "kill of a step", words, random, seconds)


def test_a_run_that_is_killed_is_started_again(place: Place) -> None:
    random = generator("run")
    seconds = _undisturbed_seconds(place, "run", "--no-resume")
    for _ in range(max(1, how_many(4) // 4)):
        _inject(place, "kill of a run", ("run",), random, seconds)
