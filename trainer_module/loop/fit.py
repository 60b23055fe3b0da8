"""The loop over batches, validations and epochs of one stage."""

import csv
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np

from belka.contract import HISTORY_FILE
from belka.errors import BelkaError, InputError
from belka.files import atomic_path
from belka.models.calibration import Calibration
from trainer_module.input_pipeline.stream import BatchSpec, count_molecules, training_stream, validation_batches
from trainer_module.loop.callbacks import ValidationCallbacks
from trainer_module.loop.checkpoints import CheckpointStore, Progress
from trainer_module.loop.progress import ProgressLog
from trainer_module.loop.step import Steps
from trainer_module.loop.stopping import StopRequest
from trainer_module.loop.validation import Validator
from trainer_module.model import Belka
from trainer_module.settings import RunSettings

logger = logging.getLogger(__name__)

HISTORY_CSV: Final = "history.csv"

OnValidation = Callable[[Mapping[str, float]], None]


class Fit:
    """Train a model to the end of its settings, checkpointing on the way.

    The data are passed over again and again, each pass in an order of its own. An epoch is `steps_per_epoch` batches or
    the rest of the pass, if that is less; so every pass shows every molecule once, however short the epochs are. Batch
    n of pass p is a function of the files and the seed, and dropout of the number of the step: a run resumed from a
    checkpoint takes the very steps that the killed one would have taken.

    Args:
        run: Settings of the run.
        train_files: TFRecord files to learn from.
        eval_files: TFRecord files to validate on.
        model: Compiled model.
        steps: Compiled steps.
        spec: What a batch holds.
        store: Checkpoints.
        log_dir: Folder for TensorBoard and history.
    """

    def __init__(
        self,
        *,
        run: RunSettings,
        train_files: Sequence[str],
        eval_files: Sequence[str],
        model: Belka,
        steps: Steps,
        spec: BatchSpec,
        store: CheckpointStore,
        log_dir: Path,
    ) -> None:
        self._run = run
        self._settings = run.training.for_mode(run.mode)
        self._train_files = train_files
        self._model = model
        self._steps = steps
        self._spec = spec
        self._store = store
        self._log_dir = log_dir
        eval_batches = validation_batches(eval_files, spec, seed=run.seed, most=self._settings.validation_steps)
        self._validator = Validator(steps, eval_batches, mode=run.mode, targets=run.targets, dtype=model.variable_dtype)
        self._progress = Progress(epoch=run.initial_epoch or 0)
        self._saved_step = 0
        self._pending: tuple[int, Any] | None = None
        self._batches_per_pass = 0
        self._on_validation: OnValidation | None = None

    def run(self, on_validation: OnValidation | None = None) -> list[dict[str, float]]:
        """Train; the model ends with the weights of the best validation.

        Args:
            on_validation: Gets the scores of each validation; what it raises ends the training.

        Returns:
            The scores of each validation.
        """
        self._on_validation = on_validation
        if not self._settings.resume:
            self._store.clear()
        self._progress = self._store.restore(self._model, epochs=self._settings.epochs) or self._progress
        self._saved_step = self._progress.step
        if not self._progress.stopped and self._progress.epoch < self._settings.epochs:
            self._train()
        self._store.restore_best(self._model, self._progress)
        self._write_history()
        return self._progress.history

    def calibrate(self) -> Calibration:
        """Learn the calibration of the best model on the validation split (clf), after `run`."""
        return self._validator.calibrate()

    def _train(self) -> None:
        molecules = count_molecules(self._train_files)
        if molecules == 0:
            raise InputError(
                "There is nothing to train on.",
                received=f"0 molecules in {len(self._train_files)} files",
                expected="at least one molecule",
                action="Check the step that makes the dataset.",
            )
        self._batches_per_pass = math.ceil(molecules / self._spec.batch_size)
        logger.info("%s: %d molecules, %d batches per pass.", self._run.mode, molecules, self._batches_per_pass)
        callbacks = self._start_callbacks()
        progress = self._progress
        stream = training_stream(
            self._train_files,
            self._spec,
            seed=self._run.seed,
            first_pass=progress.pass_index,
            skipped=progress.batch_in_pass,
        )
        log = ProgressLog(self._run.mode, self._spec.batch_size, self._settings.epochs)
        batches = iter(stream)
        with StopRequest(lambda: f"saved is step {self._saved_step} of {self._run.mode}") as stop:
            while progress.epoch < self._settings.epochs and not callbacks.stopped:
                inputs, labels, row_weight = next(batches)
                loss = self._steps.train(inputs, labels, row_weight, progress.step)
                self._settle_pending()
                self._pending = (progress.step, loss)
                self._advance(callbacks)
                log.tick(progress, self._epoch_steps())
                if stop.requested:
                    self._save(callbacks)
                    raise stop.error(f"step {progress.step} of the stage {self._run.mode} is saved")
        callbacks.end()

    def _start_callbacks(self) -> ValidationCallbacks:
        monitor, direction = self._monitor()
        callbacks = ValidationCallbacks(
            self._model,
            self._settings,
            monitor=monitor,
            direction=direction,
            log_dir=self._log_dir if self._store.writes else None,
        )
        callbacks.start(self._progress.callbacks)
        return callbacks

    def _monitor(self) -> tuple[str, Literal["min", "max"]]:
        """Return the score to follow and its direction, falling back to the loss where the score cannot exist."""
        scorable = self._validator.can_score()
        wanted = self._settings.monitor
        if wanted == "auto":
            wanted = "val_average_precision" if self._run.mode == "clf" else "val_loss"
        if wanted == "val_average_precision" and not scorable:
            if self._run.mode != "clf":
                raise InputError(
                    f"training.monitor = {wanted} needs labels, which the stage {self._run.mode} does not have.",
                    expected="auto or val_loss",
                    action="Set training.monitor to auto.",
                )
            logger.warning(
                "No target has both binding and non-binding molecules in the validation split, so there is no average "
                "precision; the validation loss decides instead. Hold out more molecules for validation."
            )
            wanted = "val_loss"
        return wanted, "min" if wanted == "val_loss" else "max"

    def _epoch_steps(self) -> int:
        """Return the number of batches of the current epoch."""
        first = self._progress.batch_in_pass - self._progress.step_in_epoch
        return min(self._settings.steps_per_epoch, self._batches_per_pass - first)

    def _advance(self, callbacks: ValidationCallbacks) -> None:
        """Count a step; validate and checkpoint where they are due."""
        progress, settings = self._progress, self._settings
        progress.step += 1
        progress.step_in_epoch += 1
        progress.batch_in_pass += 1
        done, total, parts = progress.step_in_epoch, self._epoch_steps(), settings.validations_per_epoch
        if done * parts // total != (done - 1) * parts // total:
            self._validate(callbacks)
        if done == total:
            progress.epoch += 1
            progress.step_in_epoch = 0
        if progress.batch_in_pass == self._batches_per_pass:
            progress.pass_index += 1
            progress.batch_in_pass = 0
        progress.stopped = callbacks.stopped
        every = settings.checkpoint_every_steps
        if done == total or progress.stopped or (every is not None and progress.step % every == 0):
            self._save(callbacks)

    def _save(self, callbacks: ValidationCallbacks) -> None:
        """Keep the state, unless a number in it is not finite: every later run would start from there and fail."""
        self._settle_pending()
        progress = self._progress
        if progress.step == self._saved_step:
            return
        self._check_finite()
        progress.callbacks = callbacks.state()
        self._store.save(self._model, progress)
        self._saved_step = progress.step

    def _check_finite(self) -> None:
        """Look at the state after an update, before anything is made of it.

        Raises:
            BelkaError: If a number of model or optimizer is not finite.
        """
        for variable in (*self._model.variables, *self._model.optimizer.variables):
            if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
                what = "a weight" if any(variable is weight for weight in self._model.variables) else "the optimizer"
                raise self._not_finite(self._progress.step, f"{what} that is not finite after the update")

    def _not_finite(self, step: int, received: str) -> BelkaError:
        return BelkaError(
            f"The training left the finite numbers at batch {step} of the stage {self._run.mode}.",
            received=f"{received}, in epoch {self._progress.epoch + 1}; the last good state is step {self._saved_step}",
            expected="finite numbers",
            action="Lower training.learning_rate or training.gradient_clip_norm. The same command goes on from the "
            f"last good state, which is in {self._store.folder}.",
        )

    def _validate(self, callbacks: ValidationCallbacks) -> None:
        self._settle_pending()
        self._check_finite()
        progress = self._progress
        scores = {
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "loss": progress.loss_sum / max(progress.loss_count, 1),
            "learning_rate": float(keras.ops.convert_to_numpy(self._model.optimizer.learning_rate)),
            **self._validator.scores(),
        }
        progress.loss_sum, progress.loss_count = 0.0, 0
        progress.history.append(scores)
        best = callbacks.validated(progress.validations, scores)
        progress.validations += 1
        if best:
            self._store.save_best(self._model)
            progress.has_best = True
        self._write_history()
        text = ", ".join(f"{name} {value:.4g}" for name, value in scores.items() if name not in {"epoch", "step"})
        logger.info("%s epoch %d step %d: %s%s", self._run.mode, scores["epoch"], progress.step, text, " (best)" * best)
        if self._on_validation is not None:
            self._on_validation(scores)

    def _settle_pending(self) -> None:
        """Look at the loss of the batch before, which has been computed by now, so that the device need not wait.

        Raises:
            BelkaError: If it is not finite.
        """
        if self._pending is None:
            return
        (step, tensor), self._pending = self._pending, None
        loss = float(tensor)
        if not math.isfinite(loss):
            raise self._not_finite(step + 1, f"loss {loss}")
        self._progress.loss_sum += loss
        self._progress.loss_count += 1

    def _write_history(self) -> None:
        """Write the scores of all validations, also those of the runs this one continues."""
        if not self._store.writes:
            return
        history = self._progress.history
        with atomic_path(self._log_dir / HISTORY_FILE) as temporary:
            temporary.write_text(json.dumps(history, indent=1), encoding="utf-8")
        columns = list(dict.fromkeys(name for scores in history for name in scores))
        with atomic_path(self._log_dir / HISTORY_CSV) as temporary, temporary.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(history)
