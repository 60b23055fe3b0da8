"""One small demo run that the end-to-end tests share."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BELKA = Path(sys.executable).parent / "belka"
SMALL = (
    "--config",
    str(REPOSITORY / "configs" / "demo.yaml"),
    "--set",
    "training.epochs=1",
    "--set",
    "training.fps.epochs=1",
    "--set",
    "training.batch_size=32",
    "--set",
    "training.bucket_boundaries=[128]",
    "--set",
    "training.xla=off",
    # One epoch beats no baseline, and the members beside the transformer take longer than everything else.
    "--set",
    "model.members=[transformer]",
    "--set",
    "evaluation.must_beat=[]",
)


def run_belka(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        [str(BELKA), *map(str, arguments)], capture_output=True, text=True, check=False, env=environment, cwd=REPOSITORY
    )


@dataclass(frozen=True)
class Demo:
    raw: Path
    output: Path
    first: subprocess.CompletedProcess[str]

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return run_belka(*arguments)

    def options(self) -> list[str]:
        return list(SMALL)

    def arguments(self) -> list[str]:
        return [*SMALL, "--raw-dir", str(self.raw), "--output-dir", str(self.output)]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    made = run_belka("make-demo-data", "--molecules", "300", "--out", folder / "raw")
    assert made.returncode == 0, made.stderr
    demo = Demo(folder / "raw", folder / "output", made)
    first = run_belka("run", *demo.arguments())
    assert first.returncode == 0, first.stdout + first.stderr
    return Demo(demo.raw, demo.output, first)
