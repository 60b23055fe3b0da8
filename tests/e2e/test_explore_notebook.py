"""The notebook that looks into a run: every cell runs on what a demo run left, and keeps no output of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.e2e.conftest import REPOSITORY

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

NOTEBOOK: Final = REPOSITORY / "docs" / "explore_a_run.ipynb"


def cells() -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    found: list[dict[str, Any]] = content["cells"]
    return found


def test_notebook_keeps_no_output() -> None:
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []
    ids = [cell["id"] for cell in cells()]
    assert len(ids) == len(set(ids))


def test_every_cell_runs_on_a_run(demo: "Demo", tmp_path: Path) -> None:
    """One after the other in one process, in the folder that holds demo/output, as a kernel runs them."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "output").symlink_to(demo.output)
    code = "\n".join("".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    evaluation = json.loads((demo.output / "metrics.json").read_text(encoding="utf-8"))["evaluation"]
    measured = [part for part in evaluation["slices"] if part["average_precision"] is not None]
    lines = done.stdout.splitlines()
    for line, part in zip(lines, measured, strict=False):
        assert line.split()[:2] == [f"{part['target']}/{part['split_group']}", f"{part['average_precision']:.3f}"]
    assert f"{evaluation['molecules']} molecules" in done.stdout
    assert "nearest of the others" in done.stdout
