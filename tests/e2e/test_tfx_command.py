"""The `tfx` command of TFX itself creates and runs the pipeline from pipeline/runners/local.py."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.runners.outcomes import read_outcomes

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

REPOSITORY = Path(__file__).parents[2]
TFX = Path(sys.executable).parent / "tfx"


@pytest.mark.slow
def test_tfx_command_creates_and_runs_the_pipeline(demo: "Demo", tmp_path: Path) -> None:
    before = read_outcomes(demo.output / "metadata.db", "belka")["submission-writer"]
    environment = {**os.environ, "LOCAL_HOME": str(tmp_path), "BELKA_CONFIG": str(demo.output / "config.yaml")}
    for command in (
        ["pipeline", "create", "--engine", "local", "--pipeline_path", "pipeline/runners/local.py"],
        ["run", "create", "--engine", "local", "--pipeline_name", "belka"],
    ):
        result = subprocess.run(
            [str(TFX), *command], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr[-2000:]
    after = read_outcomes(demo.output / "metadata.db", "belka")["submission-writer"]
    assert after.execution_id > before.execution_id
