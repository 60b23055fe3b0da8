"""`belka report` on what a real run left."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from belka.exit_codes import ExitCode
from pipeline.comparison.finished_run import read_finished_run
from pipeline.config.files import load_resolved

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

_WITHOUT_TENSORFLOW = (
    "import sys; from pipeline.cli.main import app; app(sys.argv[1:], standalone_mode=False);"
    "sys.exit(bool({'tensorflow', 'tfx'} & sys.modules.keys()))"
)


@pytest.fixture(scope="module")
def copied(demo: "Demo", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that differs in one setting and in nothing else."""
    folder = tmp_path_factory.mktemp("copied") / "second"
    folder.mkdir()
    for name in ("metadata.db", "metrics.json"):
        shutil.copyfile(demo.output / name, folder / name)
    config = (demo.output / "config.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(config.replace("patience: 6", "patience: 7"), encoding="utf-8")
    return folder


def test_two_runs_are_compared_without_tensorflow(demo: "Demo", copied: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "comparison.html"
    command = [sys.executable, "-c", _WITHOUT_TENSORFLOW, "report", str(demo.output), str(copied), "--out", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert ["training.patience", "6", "7"] in [line.split() for line in lines]
    evaluation = json.loads((demo.output / "metrics.json").read_text(encoding="utf-8"))["evaluation"]
    score = f"{evaluation['mean_average_precision']:.4f}"
    (mean,) = (line.split() for line in lines if line.startswith("mean "))
    assert mean == ["mean", score, score, "+0.0000", "+0.0000", "to", "+0.0000"]
    assert f"the same {evaluation['molecules']:,} validation molecules" in done.stdout
    assert lines[-1] == str(page)
    assert score in page.read_text(encoding="utf-8")
    assert [path.name for path in page.parent.iterdir()] == [page.name]


def test_what_a_run_left_is_read(demo: "Demo") -> None:
    run = read_finished_run("a", load_resolved(demo.output / "config.yaml"))
    metrics = json.loads((demo.output / "metrics.json").read_text(encoding="utf-8"))
    assert run.evaluation == metrics["evaluation"]
    assert list(run.histories) == ["mlm", "fps", "clf"]
    assert all(rows and {"epoch", "loss"} <= rows[0].keys() for rows in run.histories.values())
    assert run.targets == ("BRD4", "HSA", "sEH")
    assert run.evaluated.endswith("+00:00")
    assert "data.output_dir" not in run.settings()


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        (["a"], "A comparison takes two runs or more"),
        (["a", "a"], "A run is compared with itself"),
        (["a", "b"], "There is no evaluation to compare"),
    ],
)
def test_wrong_use_is_explained(demo: "Demo", runs: list[str], said: str, tmp_path: Path) -> None:
    done = demo.run("report", *(tmp_path / run for run in runs), "--out", tmp_path / "page.html")
    assert done.returncode == ExitCode.WRONG_INPUT
    assert said in done.stderr
    assert not list(tmp_path.iterdir())
