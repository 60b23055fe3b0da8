"""What stops a training: numbers that are not finite, memory, signals. The state stays good and a rerun goes on."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from belka.errors import BelkaError, InterruptedRunError, RunAgainError, TerminatedError
from trainer_module.loop.step import Steps
from trainer_module.loop.stopping import StopRequest
from trainer_module.loop.train import TrainingResult

TrainSmall = Callable[..., TrainingResult]
EVERY_STEP = {"epochs": 2, "batch_size": 64, "checkpoint_every_steps": 1}


@pytest.fixture
def original() -> Any:
    return Steps.train


def weights_of(result: TrainingResult) -> list[np.ndarray]:
    weights: list[np.ndarray] = result.stored.model.get_weights()
    return weights


def test_a_state_that_is_not_finite_is_never_kept_and_a_rerun_goes_on(
    train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch, original: Any, tmp_path: Path
) -> None:
    undisturbed = train_small(folder="undisturbed", training=EVERY_STEP)

    def poisoned(self: Steps, inputs: Any, labels: Any, row_weight: Any, step: int) -> Any:
        loss = original(self, inputs, labels, row_weight, step)
        if step == 4:  # a finite loss, and an update that is not
            self._model.trainable_variables[0].assign(self._model.trainable_variables[0] * np.nan)
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(Steps, "train", poisoned)
        message = r"batch 5 of the stage clf(.|\n)*a weight that is not finite after the update(.|\n)*state is step 4"
        with pytest.raises(BelkaError, match=message):
            train_small(training=EVERY_STEP)
    assert max(path.name for path in tmp_path.glob("checkpoints/run/*/step-*")) == "step-000000004"
    for one, other in zip(weights_of(train_small(training=EVERY_STEP)), weights_of(undisturbed), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("part", ["weights", "optimizer"])
def test_a_validation_right_after_a_broken_update_keeps_nothing(
    train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch, original: Any, tmp_path: Path, part: str
) -> None:
    def poisoned(self: Steps, inputs: Any, labels: Any, row_weight: Any, step: int) -> Any:
        loss = original(self, inputs, labels, row_weight, step)
        variables = self._optimizer._velocities if part == "optimizer" else self._model.trainable_variables
        if (
            step == 3
        ):  # the last batch of the epoch; a second moment of infinity leaves losses finite and stops learning
            variables[0].assign(variables[0] + np.inf)
        return loss

    monkeypatch.setattr(Steps, "train", poisoned)
    with pytest.raises(BelkaError, match=r"finite numbers at batch 4 of the stage clf(.|\n)*last good state is step 3"):
        train_small(training=EVERY_STEP)
    assert not list(tmp_path.glob("checkpoints/run/*/best.keras"))
    assert max(path.name for path in tmp_path.glob("checkpoints/run/*/step-*")) == "step-000000003"


def exhausted_above(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = Steps._part_gradients

    def part_gradients(self: Steps, part: Any, seed: Any, *, share: float) -> Any:
        if part[1].shape[0] > rows:
            raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
        return compiled(self, part, seed, share=share)

    monkeypatch.setattr(Steps, "_part_gradients", part_gradients)


def test_out_of_memory_halves_the_micro_batch_and_changes_nothing(
    train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = train_small(folder="whole", training={"epochs": 1})
    with monkeypatch.context() as patch:
        exhausted_above(20, patch)
        parts = train_small(folder="parts", training={"epochs": 1})
    assert "out of memory: 32 molecules at once" in caplog.text
    assert "out of memory: 16 molecules at once" in caplog.text
    for one, other in zip(weights_of(parts), weights_of(whole), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_no_memory_for_one_row_ends_with_what_to_set(train_small: TrainSmall, monkeypatch: pytest.MonkeyPatch) -> None:
    exhausted_above(0, monkeypatch)
    with pytest.raises(
        RunAgainError, match=r"no memory left(.|\n)*1 at once(.|\n)*smaller training.batch_size"
    ) as error:
        train_small(training={"epochs": 1, "batch_size": 4})
    assert error.value.exit_code == 75


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (signal.SIGTERM, TerminatedError, 143),
        (signal.SIGINT, InterruptedRunError, 130),
        (signal.SIGHUP, TerminatedError, 143),
    ],
)
def test_a_signal_saves_the_step_and_a_rerun_ends_like_an_undisturbed_run(
    train_small: TrainSmall,
    monkeypatch: pytest.MonkeyPatch,
    original: Any,
    number: signal.Signals,
    kind: type[BelkaError],
    code: int,
) -> None:
    settings = {"epochs": 2, "batch_size": 64, "checkpoint_every_steps": None}
    undisturbed = train_small(folder="undisturbed", training=settings)

    def signalled(self: Steps, inputs: Any, labels: Any, row_weight: Any, step: int) -> Any:
        if step == 5:
            os.kill(os.getpid(), number)
        return original(self, inputs, labels, row_weight, step)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(Steps, "train", signalled)
        with pytest.raises(kind, match=r"stopped by SIG(.|\n)*step 6 of the stage clf is saved") as error:
            train_small(training=settings)
    assert error.value.exit_code == code
    assert signal.getsignal(number) == before
    steps: list[int] = []

    def noted(self: Steps, inputs: Any, labels: Any, row_weight: Any, step: int) -> Any:
        steps.append(step)
        return original(self, inputs, labels, row_weight, step)

    monkeypatch.setattr(Steps, "train", noted)
    resumed = train_small(training=settings)
    assert steps == [6, 7]
    for one, other in zip(weights_of(resumed), weights_of(undisturbed), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_step_that_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    codes: list[int] = []

    def leave(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr("trainer_module.loop.stopping.os._exit", leave)
    with StopRequest(lambda: "saved is step 7", patience=0.2):
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended.wait(5)
    assert codes == [143]


def test_a_stop_in_time_ends_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("trainer_module.loop.stopping.os._exit", codes.append)
    with StopRequest(lambda: "", patience=0.2) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.requested
    time.sleep(0.4)
    assert not codes
