"""TensorBoard's viewer, installed beside TFX, shows what a training writes."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest

from trainer_module.loop.callbacks import ScalarLog

SECONDS: Final = 240


def _get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - an address of this machine
        return json.load(answer)


def _address(log: Path) -> str:
    """Where the viewer says that it listens, once it has read the folder."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found = re.search(r"http://\S+", log.read_text(encoding="utf-8"))
        if found and _get(f"{found[0]}data/plugin/scalars/tags"):
            return found[0]
        time.sleep(0.5)
    pytest.fail(log.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_viewer_serves_the_scores_of_each_validation(tmp_path: Path) -> None:
    scores = ScalarLog(tmp_path / "runs" / "trainer-clf" / "model_run" / "12")
    scores.on_epoch_end(0, {"step": 100, "val_average_precision": 0.25})
    scores.on_epoch_end(1, {"step": 200, "val_average_precision": 0.5})
    scores.on_train_end()
    log = tmp_path / "log.txt"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(tmp_path / "runs"), "--port", "0"]
    with log.open("w") as sink, subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=sink, stderr=sink) as viewer:
        try:
            asked = "data/plugin/scalars/scalars?tag=val_average_precision&run=trainer-clf/model_run/12"
            curve = _get(_address(log) + asked)
        finally:
            viewer.terminate()
    assert [(step, value) for _, step, value in curve] == [(100, 0.25), (200, 0.5)]
