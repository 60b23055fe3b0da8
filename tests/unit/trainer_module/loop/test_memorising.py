"""Each stage learns a small set by heart: the loss, the gradients and the optimizer fit together."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trainer_module.input_pipeline.stream import BatchSpec, training_batches
from trainer_module.loop.train import TrainingData, TrainingResult
from trainer_module.settings import Mode

TrainSmall = Callable[..., TrainingResult]


@pytest.fixture
def memorised(training_data: TrainingData) -> TrainingData:
    return replace(training_data, eval_files=training_data.train_files)


def memorising(epochs: int, learning_rate: float) -> dict[str, Any]:
    return {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": 32,
        "bucket_boundaries": [24],
        "patience": epochs,
        "reduce_lr_patience": epochs,
    }


@pytest.mark.slow
def test_clf_memorises_256_molecules(train_small: TrainSmall, memorised: TrainingData) -> None:
    model = {"dropout_rate": 0.0, "depth": 32, "num_heads": 4, "num_layers": 2}
    result = train_small(memorised, model=model, training=memorising(40, 0.003))
    assert max(scores["val_average_precision"] for scores in result.history) > 0.99


def test_clf_with_the_branch_memorises_256_molecules(train_small: TrainSmall, memorised: TrainingData) -> None:
    model = {"dropout_rate": 0.0, "ecfp_branch": True, "ecfp_l2": 0.0, "ecfp_hidden": 64}
    result = train_small(memorised, model=model, training=memorising(30, 0.01))
    assert max(scores["val_average_precision"] for scores in result.history) > 0.99


def test_fps_memorises_256_molecules(train_small: TrainSmall, memorised: TrainingData) -> None:
    result = train_small(memorised, mode="fps", model={"dropout_rate": 0.0, "depth": 32}, training=memorising(30, 0.01))
    predicted, known = [], []
    for inputs, labels, weight in batches_of("fps", memorised):
        predicted.append(result.stored.model(inputs).numpy()[weight > 0] > 0.5)
        known.append(labels[weight > 0] > 0.5)
    bits, truth = np.concatenate(predicted), np.concatenate(known)
    assert (bits & truth).sum() / truth.sum() > 0.95
    assert (bits & truth).sum() / bits.sum() > 0.95


def test_mtr_memorises_256_molecules(train_small: TrainSmall, memorised: TrainingData) -> None:
    result = train_small(memorised, mode="mtr", model={"dropout_rate": 0.0, "depth": 32}, training=memorising(30, 0.01))
    predicted, known = [], []
    for inputs, labels, weight in batches_of("mtr", memorised):
        predicted.append(result.stored.model(inputs).numpy()[weight > 0])
        known.append(labels[weight > 0])
    values, truth = np.concatenate(predicted), np.concatenate(known)
    assert np.isnan(truth).any()
    explained = 1 - np.nanmean((values - truth) ** 2) / np.nanvar(truth)
    assert explained > 0.95


def test_mlm_learns_256_molecules(train_small: TrainSmall, memorised: TrainingData) -> None:
    result = train_small(memorised, mode="mlm", model={"dropout_rate": 0.0, "depth": 32}, training=memorising(20, 0.01))
    losses = [scores["val_loss"] for scores in result.history]
    assert min(losses) < 0.6 * losses[0]


def batches_of(mode: Mode, data: TrainingData) -> Any:
    spec = BatchSpec(
        mode=mode,
        vocab_size=18,
        n_targets=3,
        batch_size=64,
        max_length=24,
        boundaries=(),
        masking_rate=0.1,
        buffer_size=1,
        ecfp_size=2048,
        n_descriptors=189,
    )
    for inputs, labels, weight in training_batches(data.train_files, spec, seed=0, pass_index=0):
        yield inputs, labels.numpy(), weight.numpy()
