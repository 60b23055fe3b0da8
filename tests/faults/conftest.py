"""Faults at seeded random moments and places, in an output directory that is put back before each.

`make test-slow` injects a few of each kind, `make test-faults` many: BELKA_FAULTS says how many, BELKA_FAULTS_SEED
where they begin, and BELKA_FAULTS_RESULTS names a file to which each adds a line of JSON, so that later runs extend it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from belka.contract import PROVENANCE_FILE
from belka.digests import file_digest

REPOSITORY: Final = Path(__file__).parents[2]
SEED: Final = int(os.environ.get("BELKA_FAULTS_SEED", "1"))
SETTINGS: Final = {
    "model.depth": 8,
    "model.num_heads": 2,
    "model.num_layers": 1,
    "training.batch_size": 32,
    "training.epochs": 2,
    "training.bucket_boundaries": [128],
    "training.xla": "off",
    "training.device": "cpu",
    "training.checkpoint_every_steps": 1,
    "data.validation_block_share": 0.06,
    "data.validation_shared_share": 0.05,
    "system.n_workers": 1,
}
# Outputs whose files must come out equal.
_EQUAL: Final = {"molecules", "vocabulary", "examples", "model", "submission"}
# Names when and how something was made, never what: these differ between two runs that are equal.
_OF_THE_RUN: Final = {"provenance.json", "fingerprint.pb"}
# TensorFlow writes an equal model in another order each time; belka.weights.h5 and belka.json beside it are compared.
_OF_TENSORFLOW: Final = ("saved_model.pb", "variables.")


def how_many(few: int) -> int:
    """Faults of one kind: `few`, unless BELKA_FAULTS asks for more."""
    return int(os.environ.get("BELKA_FAULTS", few))


@dataclass(frozen=True)
class Fault:
    """What was injected, and what came of it.

    Attributes:
        kind: Of fault.
        where: Step or file.
        detail: The moment or the place.
        seconds: Until everything had ended.
        stuck: Whether the next run did not succeed.
        differs: Files that differ from the undisturbed run's.
        silent: Whether nobody noticed a damage.
        problem: What else went wrong: an exit code, a message, too long a wait; empty where nothing did.
    """

    kind: str
    where: str
    detail: str
    seconds: float = 0.0
    stuck: bool = False
    differs: tuple[str, ...] = ()
    silent: bool = False
    problem: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether the product failed in any way."""
        return bool(self.stuck or self.differs or self.silent or self.problem)

    def record(self) -> "Fault":
        """Add a line to the file of results, where one is named."""
        if file := os.environ.get("BELKA_FAULTS_RESULTS"):
            with Path(file).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(self) | {"seed": SEED}) + "\n")
        return self


@dataclass(frozen=True)
class Place:
    """An output directory and its copy from before the fault, put back where it lay: its paths are absolute."""

    raw: Path
    output: Path
    kept: Path

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of its commands."""
        return self.kept.with_name("temporary")

    def environment(self) -> dict[str, str]:
        """The variables of its commands."""
        self.temporary.mkdir(exist_ok=True)
        return {**os.environ, "TMPDIR": str(self.temporary)}

    def restore(self) -> None:
        """Put it back as the undisturbed run left it."""
        shutil.rmtree(self.output, ignore_errors=True)
        shutil.copytree(self.kept, self.output, symlinks=True, dirs_exist_ok=True)  # it may be a disk of its own

    def command(self, *words: str) -> list[str]:
        """A command of `belka` on it."""
        values = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={json.dumps(value)}")]
        folders = ["--raw-dir", str(self.raw), "--output-dir", str(self.output)]
        return [sys.executable, "-m", "belka", *words, *folders, *values]

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run such a command to its end."""
        command, environment = self.command(*words), self.environment()
        return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    def undisturbed_seconds(self, *words: str) -> float:
        """Seconds that such a command takes on what the undisturbed run left."""
        self.restore()
        start = time.monotonic()
        run = self.run(*words)
        assert run.returncode in {0, 3}, run.stderr
        return time.monotonic() - start

    def differences(self) -> tuple[str, ...]:
        """Results that a user sees and that are not the undisturbed run's, byte by byte."""
        found, wanted = results(self.output), results(self.kept)
        return tuple(sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)))


def results(output: Path) -> dict[str, str]:
    """Digest of each file that must come out equal: submission, table, Examples, weights of the model."""
    # A kill leaves the folder of an output that was only begun, which nothing reads.
    whole = [path.parent for path in output.glob(f"pipeline_root/*/*/*/{PROVENANCE_FILE}")]
    found = [path for path in whole if path.name.isdigit() and path.parent.name in _EQUAL]
    # Of each output the newest execution.
    newest = {
        f"{path.parent.parent.name}/{path.parent.name}": path for path in sorted(found, key=lambda p: int(p.name))
    }
    files = {"submission.csv": output / "submission.csv"}
    for name, folder in newest.items():
        files |= {f"{name}/{path.relative_to(folder)}": path for path in folder.rglob("*") if path.is_file()}
    compared = {name: path for name, path in files.items() if path.is_file() and path.name not in _OF_THE_RUN}
    return {name: file_digest(path) for name, path in compared.items() if not path.name.startswith(_OF_TENSORFLOW)}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An undisturbed run."""
    folder = tmp_path_factory.mktemp("faults")
    found = Place(folder / "raw", folder / "output", folder / "kept")
    made = [sys.executable, "-m", "belka", "make-demo-data", "--molecules", "300", "--out", str(found.raw)]
    subprocess.run(made, cwd=REPOSITORY, check=True, capture_output=True)
    run = found.run("run")
    assert run.returncode in {0, 3}, run.stderr
    shutil.copytree(found.output, found.kept, symlinks=True)
    return found


def assert_none_failed(faults: Iterable[Fault]) -> None:
    """All are injected and recorded, whatever came of those before."""
    failed = [fault for fault in faults if fault.is_failure]
    assert not failed, "\n".join(map(str, failed))


def generator(name: str) -> Any:
    """Random numbers of one test, the same in every process."""
    return np.random.default_rng([SEED, *name.encode()])
