"""A byte that flips in any file of a finished run: whoever reads the file says so, and nobody believes it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from belka.contract import CHAMPION_FILE, METRICS_FILE, MODELS_FOLDER, PROVENANCE_FILE, RESOLVED_CONFIG
from belka.errors import BelkaError
from belka.models.champion import model_digest, read_champion
from belka.provenance import check_whole, read_provenance
from tests.faults.conftest import Fault, Place, assert_none_failed, generator, how_many

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(7200)]


def _recorded(output: Path) -> list[Path]:
    """Every file in a folder that has a provenance, that one included."""
    folders = sorted(path.parent for path in output.rglob(PROVENANCE_FILE))
    return sorted({file for folder in folders for file in folder.rglob("*") if file.is_file()})


def _folder(file: Path) -> Path:
    """The folder whose provenance.json names a file."""
    return next(parent for parent in file.parents if (parent / PROVENANCE_FILE).is_file())


def _flip(file: Path, random: Any) -> str:
    content = bytearray(file.read_bytes())
    where, bit = int(random.integers(len(content))), int(random.integers(8))
    content[where] ^= 1 << bit
    file.write_bytes(content)
    return f"byte {where} of {len(content)}, bit {bit}"


def _is_noticed(file: Path) -> bool:
    folder = _folder(file)
    try:
        check_whole(folder, others=True)
        read_provenance(folder)
    except BelkaError as error:
        return "defect of the program" not in str(error)
    return False


def test_a_flipped_byte_of_a_recorded_file_is_noticed(place: Place) -> None:
    random = generator("flip")
    place.restore()
    files = [file for file in _recorded(place.output) if file.stat().st_size]
    kinds = sorted({(_folder(file).parent.name, file.suffix, file.name.split("-")[0]) for file in files})
    faults = []
    for number in range(how_many(60)):
        kind = kinds[number % len(kinds)]
        like = [f for f in files if (_folder(f).parent.name, f.suffix, f.name.split("-")[0]) == kind]
        file = like[int(random.integers(len(like)))]
        before = file.read_bytes()
        detail = _flip(file, random)
        fault = Fault("flip", str(file.relative_to(place.output)), detail, silent=not _is_noticed(file))
        faults.append(fault.record())
        file.write_bytes(before)
    assert_none_failed(faults)


def test_a_file_that_is_cut_or_emptied_is_noticed(place: Place) -> None:
    random = generator("cut")
    place.restore()
    files = [file for file in _recorded(place.output) if file.stat().st_size]
    faults = []
    for _ in range(how_many(20)):
        file = files[int(random.integers(len(files)))]
        before = file.read_bytes()
        left = int(random.integers(len(before)))
        file.write_bytes(before[:left])
        detail = f"{left} of {len(before)}"
        fault = Fault("cut", str(file.relative_to(place.output)), detail, silent=not _is_noticed(file))
        faults.append(fault.record())
        file.write_bytes(before)
    assert_none_failed(faults)


@pytest.mark.parametrize("name", [f"{MODELS_FOLDER}/{CHAMPION_FILE}", METRICS_FILE, RESOLVED_CONFIG])
def test_a_damaged_file_of_state_keeps_no_run_from_going_on(place: Place, name: str) -> None:
    random, faults = generator(name), []
    for _ in range(max(1, how_many(3) // 30)):
        place.restore()
        file = place.output / name
        if not file.is_file():
            pytest.skip("no model was pushed")
        detail = _flip(file, random)
        start = time.monotonic()
        again = place.run("run")
        ended = time.monotonic() - start
        told = again.returncode == 2 and file.name in again.stderr and "to do:" in again.stderr
        has_run = again.returncode in {0, 3}
        champion = read_champion(place.output / MODELS_FOLDER) if has_run else None
        silent = champion is not None and champion.digest != model_digest(
            place.output / MODELS_FOLDER / champion.version
        )
        problem = "" if has_run or told else again.stderr
        if has_run and not json.loads((place.output / METRICS_FILE).read_text(encoding="utf-8")):
            problem = f"{METRICS_FILE} is empty"
        fault = Fault(
            "flip of state", name, detail, ended, not has_run and not told, place.differences(), silent, problem
        )
        faults.append(fault.record())
    assert_none_failed(faults)
