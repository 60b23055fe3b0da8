"""Training: learns, repeats itself, survives interruptions, and says what is wrong."""

import csv
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from belka.errors import BelkaError, InputError
from trainer_module.loop.checkpoints import CheckpointStore
from trainer_module.loop.step import Steps
from trainer_module.loop.train import TrainingData, TrainingResult
from trainer_module.losses.multi_label_loss import MultiLabelLoss
from trainer_module.model import Belka
from trainer_module.settings import ModelSettings

TrainSmall = Callable[..., TrainingResult]
# Labels are random, so validation soon stops improving whatever the rounding of the processor: long before the last
# epoch.
UNTIL_STOPPED = {"epochs": 200, "learning_rate": 0.05, "patience": 3}
SIX_STEPS = {"epochs": 2, "steps_per_epoch": 3, "checkpoint_every_steps": 2, "batch_size": 32}


class StoppedError(Exception):
    """Stands for whatever ends a process."""


def weights_of(result: TrainingResult) -> list[np.ndarray]:
    weights: list[np.ndarray] = result.stored.model.get_weights()
    return weights


def assert_equal_weights(first: TrainingResult, second: TrainingResult) -> None:
    for one, other in zip(weights_of(first), weights_of(second), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Steps.train

    def train(self: Steps, inputs: Any, labels: Any, row_weight: Any, number: int) -> Any:
        if number == step:
            raise StoppedError
        return original(self, inputs, labels, row_weight, number)

    monkeypatch.setattr(Steps, "train", train)


def test_same_seed_same_losses_other_seed_other_losses(train_small: TrainSmall) -> None:
    first = train_small(folder="a", seed=3)
    again = train_small(folder="b", seed=3)
    other = train_small(folder="c", seed=4)
    assert first.history == again.history
    assert first.history != other.history
    assert first.stored.spelling == "canonical"


def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_small(folder="whole", training=SIX_STEPS)
    for step in (3, 5):
        with monkeypatch.context() as patch:
            interrupt_at(step, patch)
            with pytest.raises(StoppedError):
                train_small(folder="cut", training=SIX_STEPS)
    resumed = train_small(folder="cut", training=SIX_STEPS)
    assert resumed.history == whole.history
    assert_equal_weights(resumed, whole)


def test_a_finished_run_is_not_trained_again(train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train_small()
    interrupt_at(0, monkeypatch)
    again = train_small()
    assert again.history == first.history
    assert_equal_weights(again, first)


def test_no_resume_starts_over(train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    train_small()
    interrupt_at(0, monkeypatch)
    with pytest.raises(StoppedError):
        train_small(training={"resume": False})


def test_other_settings_start_over(train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    train_small()
    interrupt_at(0, monkeypatch)
    with pytest.raises(StoppedError):
        train_small(training={"learning_rate": 0.002})


def test_more_epochs_continue_and_fewer_start_over(train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    three = train_small(folder="whole", training={"epochs": 3})
    two = train_small(training={"epochs": 2})
    taken: list[int] = []
    original = Steps.train

    def train(self: Steps, inputs: Any, labels: Any, row_weight: Any, number: int) -> Any:
        taken.append(number)
        return original(self, inputs, labels, row_weight, number)

    monkeypatch.setattr(Steps, "train", train)
    longer = train_small(training={"epochs": 3})
    assert taken == list(range(8, 12))  # 256 molecules in batches of 64
    assert longer.history == three.history
    assert_equal_weights(longer, three)
    taken.clear()
    shorter = train_small(training={"epochs": 2})
    assert taken == list(range(8))
    assert shorter.history == two.history
    assert_equal_weights(shorter, two)


def test_early_stopping_is_not_undone_by_more_epochs(train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = train_small(training=UNTIL_STOPPED)
    assert len(stopped.history) < UNTIL_STOPPED["epochs"]
    interrupt_at(int(stopped.history[-1]["step"]), monkeypatch)
    assert train_small(training={**UNTIL_STOPPED, "epochs": 300}).history == stopped.history


def test_a_damaged_checkpoint_is_skipped(
    train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = train_small(folder="whole", training=SIX_STEPS)
    with monkeypatch.context() as patch:
        interrupt_at(5, patch)
        with pytest.raises(StoppedError):
            train_small(folder="cut", training=SIX_STEPS)
    newest = max(tmp_path.glob("checkpoints/cut/*/step-*"))
    (newest / "variables.keras").write_bytes(b"half a file")
    resumed = train_small(folder="cut", training=SIX_STEPS)
    assert "cannot be read" in caplog.text
    assert resumed.history == whole.history


@pytest.mark.slow
def test_a_killed_process_continues(train_small: TrainSmall, training_data: TrainingData, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import os, signal, sys
from pathlib import Path
from trainer_module.settings import parse_run_settings
from trainer_module.loop.step import Steps
from trainer_module.loop.train import TrainingData, train
original = Steps.train
def killed(self, inputs, labels, row_weight, number):
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, inputs, labels, row_weight, number)
Steps.train = killed
data = TrainingData({training_data.train_files!r}, {training_data.eval_files!r}, {training_data.vocabulary!r})
run = parse_run_settings({{
    "mode": "clf", "checkpoint_root": {str(tmp_path / "checkpoints" / "cut")!r},
    "model": {{"depth": 16, "num_heads": 2, "num_layers": 1, "max_length": 24}},
    "training": {{"bucket_boundaries": [12], "xla": "off", **{SIX_STEPS!r}}},
}})
train(run, data, log_dir=Path({str(tmp_path / "log")!r}))
"""
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    assert subprocess.run([sys.executable, str(script)], env=environment, check=False).returncode == -signal.SIGKILL
    resumed = train_small(folder="cut", training=SIX_STEPS)
    whole = train_small(folder="whole", training=SIX_STEPS)
    assert resumed.history == whole.history
    assert_equal_weights(resumed, whole)


def test_best_weights_are_restored(train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    bests: list[list[np.ndarray]] = []
    original = CheckpointStore.save_best

    def save_best(self: CheckpointStore, model: Belka) -> None:
        bests.append(model.get_weights())
        original(self, model)

    monkeypatch.setattr(CheckpointStore, "save_best", save_best)
    result = train_small(training=UNTIL_STOPPED)
    scores = [entry["val_average_precision"] for entry in result.history]
    assert int(np.argmax(scores)) == len(scores) - 1 - UNTIL_STOPPED["patience"]
    for one, other in zip(bests[-1], weights_of(result), strict=True):
        np.testing.assert_array_equal(one, other)


def test_early_stopping_and_learning_rate_follow_validation(train_small: TrainSmall) -> None:
    history = train_small(training={**UNTIL_STOPPED, "reduce_lr_patience": 1}).history
    scores = [entry["val_average_precision"] for entry in history]
    assert len(history) < UNTIL_STOPPED["epochs"]
    assert int(np.argmax(scores)) == len(scores) - 1 - UNTIL_STOPPED["patience"]
    assert history[-1]["learning_rate"] < 0.05


def test_validation_in_fractions_of_an_epoch(train_small: TrainSmall) -> None:
    history = train_small(training={"epochs": 2, "validations_per_epoch": 2}).history
    assert [(entry["epoch"], entry["step"]) for entry in history] == [(1, 2), (1, 4), (2, 6), (2, 8)]


def test_short_epochs_still_show_the_whole_data(train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    original = Steps.train

    def train(self: Steps, inputs: Any, labels: Any, row_weight: Any, number: int) -> Any:
        real = row_weight.numpy() > 0
        seen.extend(np.trim_zeros(row).tobytes() for row in inputs["tokens"].numpy()[real])
        return original(self, inputs, labels, row_weight, number)

    monkeypatch.setattr(Steps, "train", train)
    result = train_small(training={"epochs": 2, "steps_per_epoch": 3})
    assert [entry["step"] for entry in result.history] == [3, 4]
    assert len(seen) == 256
    assert len(set(seen)) == 256


def test_history_is_written_whole(train_small: TrainSmall, tmp_path: Path) -> None:
    result = train_small()
    assert json.loads((tmp_path / "run" / "history.json").read_text()) == result.history
    with (tmp_path / "run" / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["val_loss"]) for row in rows] == [entry["val_loss"] for entry in result.history]
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))


def test_each_validation_is_told_and_what_is_raised_ends_the_training(train_small: TrainSmall) -> None:
    told: list[dict[str, float]] = []
    assert train_small(on_validation=told.append).history == told

    def stop(scores: dict[str, float]) -> None:
        del scores
        raise StoppedError

    with pytest.raises(StoppedError):
        train_small(folder="stopped", on_validation=stop)


def relabelled(molecules: Any, path: Path, label: int) -> tuple[str, ...]:
    part = molecules.part(0, 20)
    return (replace(part, binds=np.full_like(part.binds, label)).write(path),)


def test_training_without_any_label_stays_finite(
    train_small: TrainSmall, training_data: TrainingData, molecules: Any, tmp_path: Path
) -> None:
    data = replace(training_data, train_files=relabelled(molecules, tmp_path / "unlabelled", 2))
    result = train_small(data)
    assert [entry["loss"] for entry in result.history] == [0.0, 0.0]


def test_validation_without_any_label_is_refused(
    train_small: TrainSmall, training_data: TrainingData, molecules: Any, tmp_path: Path
) -> None:
    data = replace(training_data, eval_files=relabelled(molecules, tmp_path / "unlabelled", 2))
    with pytest.raises(InputError, match=r"No molecule of the validation split has a label\.\n.*20 molecules"):
        train_small(data)


def test_empty_splits_are_refused(
    train_small: TrainSmall, training_data: TrainingData, molecules: Any, tmp_path: Path
) -> None:
    empty = (molecules.part(0, 0).write(tmp_path / "empty"),)
    with pytest.raises(InputError, match="validation split is empty"):
        train_small(replace(training_data, eval_files=empty), mode="fps")
    with pytest.raises(InputError, match="nothing to train on"):
        train_small(replace(training_data, train_files=empty))


def test_validation_of_one_class_falls_back_to_its_loss(
    train_small: TrainSmall,
    training_data: TrainingData,
    molecules: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = replace(training_data, eval_files=relabelled(molecules, tmp_path / "one_class", 0))
    with caplog.at_level(logging.WARNING):
        result = train_small(data)
    assert "the validation loss decides instead" in caplog.text
    assert "val_average_precision" not in result.history[-1]


def test_average_precision_cannot_guide_a_stage_without_labels(train_small: TrainSmall) -> None:
    with pytest.raises(InputError, match=r"training\.monitor = val_average_precision needs labels"):
        train_small(mode="mlm", training={"monitor": "val_average_precision"})


def test_a_vocabulary_larger_than_the_model_is_refused(train_small: TrainSmall) -> None:
    with pytest.raises(InputError, match=r"18 tokens, model.vocab_size = 17"):
        train_small(model={"vocab_size": 17})


def test_a_loss_that_is_not_finite_stops_at_its_batch(
    train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = Steps.train

    def train(self: Steps, inputs: Any, labels: Any, row_weight: Any, number: int) -> Any:
        if number == 3:
            self._model.head.bias.assign([np.nan] * 3)
        return original(self, inputs, labels, row_weight, number)

    monkeypatch.setattr(Steps, "train", train)
    with pytest.raises(BelkaError, match=r"finite numbers at batch 4 of the stage clf(.|\n)*last good state is step"):
        train_small(training={"checkpoint_every_steps": 1})
    states = sorted(tmp_path.glob("checkpoints/run/*/step-*"))
    assert [state.name for state in states] == ["step-000000002", "step-000000003"]


def test_the_initial_epoch_counts(train_small: TrainSmall) -> None:
    assert [entry["epoch"] for entry in train_small(initial_epoch=1).history] == [2]


def test_no_epoch_left_is_refused(train_small: TrainSmall) -> None:
    with pytest.raises(InputError, match=r"no epoch left(.|\n)*initial_epoch 2, epochs 2"):
        train_small(initial_epoch=2)


@pytest.mark.parametrize("micro_batch", [16, 5])
def test_micro_batches_give_the_same_update(micro_batch: int) -> None:
    generator = np.random.default_rng(0)
    tokens = tf.constant(generator.integers(2, 18, (64, 12)), tf.int32)
    labels = tf.constant(generator.integers(0, 3, (64, 3)), tf.int32)
    results = []
    for size in (None, micro_batch):
        keras.utils.set_random_seed(1)
        settings = ModelSettings(depth=8, num_heads=2, num_layers=1, dropout_rate=0.0, ecfp_branch=True, ecfp_l2=0.1)
        model = Belka(mode="clf", settings=settings, vocab_size=18, n_targets=3, ecfp_size=64)
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build(model.trainable_variables)
        strategy = tf.distribute.get_strategy()
        steps = Steps(
            model, MultiLabelLoss(), optimizer, strategy=strategy, seed=1, xla=False, clip_norm=None, micro_batch=size
        )
        inputs = {"tokens": tokens, "ecfp": tf.constant(generator.integers(0, 256, (64, 8)) * 0 + 37, tf.uint8)}
        loss = float(steps.train(inputs, labels, tf.ones(64), 0))
        results.append((loss, model.get_weights()))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
