"""A full disk in the middle of training: told, nothing half-written, and the run goes on once there is room."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from belka.errors import RunAgainError
from trainer_module.loop.checkpoints import CheckpointStore
from trainer_module.loop.train import TrainingResult
from trainer_module.model import Belka

TrainSmall = Callable[..., TrainingResult]
SIX_STEPS = {"epochs": 2, "steps_per_epoch": 3, "checkpoint_every_steps": 2, "batch_size": 32}


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """Let writes fail beyond a size, as on a full disk: Python ignores the signal, so the write returns an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("n_bytes", [100, 20_000], ids=["state", "weights"])
def test_a_full_disk_is_explained_and_the_run_goes_on_when_there_is_room(
    n_bytes: int, train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = train_small(folder="whole", training=SIX_STEPS)
    original = CheckpointStore.save

    def save(self: CheckpointStore, model: Belka, progress: Any) -> None:
        with largest_file(n_bytes if progress.step == 3 else resource.RLIM_INFINITY):
            original(self, model, progress)

    with monkeypatch.context() as patch:
        patch.setattr(CheckpointStore, "save", save)
        with pytest.raises(RunAgainError, match=r"checkpoint could not be written(.|\n)*start the same command again"):
            train_small(folder="cut", training=SIX_STEPS)
    (folder,) = tmp_path.glob("checkpoints/cut/*")
    assert sorted(path.name for path in folder.iterdir()) == ["best.keras", "step-000000002"]
    resumed = train_small(folder="cut", training=SIX_STEPS)
    assert resumed.history == whole.history


def test_best_weights_on_a_full_disk_leave_nothing_half_written(train_small: TrainSmall, tmp_path: Path) -> None:
    with largest_file(20_000), pytest.raises(RunAgainError, match="checkpoint could not be written"):
        train_small()
    assert not list(tmp_path.glob("checkpoints/run/*/*"))
