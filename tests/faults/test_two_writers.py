"""Two commands at once in one output directory: one works, the other is told so, and nothing of both is mixed."""

import subprocess
import time
from typing import Final

import pytest

from tests.faults.conftest import REPOSITORY, Fault, Place, assert_none_failed, generator, how_many

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(7200)]

FIRST: Final = (("step", "generate_parquet"), ("step", "make_dataset"), ("step", "make_submission"))
SECOND: Final = (("run",), ("run", "--no-resume"), ("step", "get_vocab", "--no-resume"), ("step", "generate_parquet"))
REFUSED: Final = "Another run is working in this output directory."


def _start(place: Place, words: tuple[str, ...]) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    return subprocess.Popen(place.command(*words), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=pipe, text=True)


def test_of_two_commands_at_once_one_works_and_the_other_is_told(place: Place) -> None:
    random, faults = generator("two"), []
    seconds = {words: place.undisturbed_seconds(*words, "--no-resume") for words in FIRST}
    for number in range(max(1, how_many(3))):
        words, others = FIRST[number % len(FIRST)], SECOND[int(random.integers(len(SECOND)))]
        # Every third pair starts at the same moment.
        after = float(random.uniform(0, seconds[words] / 2)) if number % 3 else 0.0
        place.restore()
        started = [_start(place, (*words, "--no-resume"))]
        time.sleep(after)
        started.append(_start(place, others))
        said = [process.communicate(timeout=600)[1] for process in started]
        codes = [process.returncode for process in started]
        refused = [code == 2 and REFUSED in text for code, text in zip(codes, said, strict=True)]
        problem = "" if sorted(refused) == [False, True] else f"exit codes {codes}: {said}"
        silent = not any(refused)  # both worked
        stuck = codes[refused.index(False)] not in {0, 3} if False in refused else True
        detail = f"{' '.join(others)} after {after:.2f} of {seconds[words]:.1f} s, exit codes {codes}"
        where = " ".join(words)
        faults.append(Fault("two writers", where, detail, 0.0, stuck, place.differences(), silent, problem).record())
    assert_none_failed(faults)
