"""Checkpoints that rot: none is believed, and the run ends as an undisturbed one."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from belka.errors import RunAgainError
from trainer_module.loop.checkpoints import CheckpointStore
from trainer_module.loop.step import Steps
from trainer_module.loop.train import TrainingResult
from trainer_module.model import Belka

TrainSmall = Callable[..., TrainingResult]
SIX_STEPS = {"epochs": 2, "steps_per_epoch": 3, "checkpoint_every_steps": 2, "batch_size": 32}


class StoppedError(Exception):
    """Stands for whatever ends a process."""


def other_digit(file: Path) -> None:
    """One bit of the batches that were done: still a number, and another one."""
    changed, times = re.subn(rb'("batch_in_pass": )\d', rb"\g<1>1", file.read_bytes())
    assert times == 1
    file.write_bytes(changed)


def other_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def encrypted(file: Path) -> None:
    """The bit of a ZIP archive's directory that says so: reading it raises what no other damage raises."""
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\1\2") + 8] ^= 1
    file.write_bytes(content)


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def gone(file: Path) -> None:
    file.unlink()


def train_until(step: int, train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Steps.train

    def train(self: Steps, inputs: Any, labels: Any, row_weight: Any, number: int) -> Any:
        if number == step:
            raise StoppedError
        return original(self, inputs, labels, row_weight, number)

    with monkeypatch.context() as patch:
        patch.setattr(Steps, "train", train)
        with pytest.raises(StoppedError):
            train_small(folder="cut", training=SIX_STEPS)


@pytest.mark.parametrize(
    ("name", "hurt"),
    [
        ("step-000000004/state.json", other_digit),
        ("step-000000004/variables.keras", encrypted),
        ("best.keras", other_byte),
        ("best.keras", encrypted),
        ("best.keras", emptied),
        ("best.keras", gone),
    ],
)
def test_a_damaged_file_is_not_believed(
    train_small: TrainSmall,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    hurt: Callable[[Path], None],
) -> None:
    whole = train_small(folder="whole", training=SIX_STEPS)
    train_until(4, train_small, monkeypatch)
    (folder,) = tmp_path.glob("checkpoints/cut/*")
    hurt(folder / name)
    resumed = train_small(folder="cut", training=SIX_STEPS)
    assert "cannot be read" in caplog.text
    assert resumed.history == whole.history
    for one, other in zip(resumed.stored.model.get_weights(), whole.stored.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("hurt", [other_byte])
def test_best_weights_that_rot_after_the_end_are_trained_again(
    train_small: TrainSmall, tmp_path: Path, hurt: Callable[[Path], None]
) -> None:
    whole = train_small(training=SIX_STEPS)
    (best,) = tmp_path.glob("checkpoints/run/*/best.keras")
    hurt(best)
    again = train_small(training=SIX_STEPS)
    assert again.history == whole.history
    for one, other in zip(again.stored.model.get_weights(), whole.stored.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_best_weights_that_rot_during_the_training_end_it_with_the_way_out(
    train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = CheckpointStore.save_best

    def save_best(self: CheckpointStore, model: Belka) -> None:
        original(self, model)
        other_byte(self.folder / "best.keras")

    monkeypatch.setattr(CheckpointStore, "save_best", save_best)
    with pytest.raises(RunAgainError, match=r"best validation(.|\n)*best.keras(.|\n)*same command again"):
        train_small(training=SIX_STEPS)
