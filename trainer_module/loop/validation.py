"""Scores of a model on a validation split."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN, SplitGroup
from belka.errors import InputError
from belka.models.calibration import Calibration, fit_calibration, log_odds
from trainer_module.loop.step import Steps
from trainer_module.metrics.masked_auc import MaskedAUC
from trainer_module.settings import Mode


@dataclass
class Predictions:
    """Labels and predictions of the molecules validated.

    Attributes:
        labels: int32 [n, n_targets].
        scores: Float [n, n_targets].
        groups: int32 [n], SplitGroup.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.floating[Any]]
    groups: NDArray[np.int32]


def average_precisions(predictions: Predictions, targets: Sequence[str]) -> dict[str, float]:
    """Score each target, over all molecules and by split group; unknown labels are left out.

    Args:
        predictions: What to score.
        targets: Names of the targets.

    Returns:
        `val_average_precision`: the mean over the targets that have both classes; `val_ap_<target>` and
        `val_ap_<target>_<group>` where both classes exist. Empty if no target has both.
    """
    scores: dict[str, float] = {}
    for index, target in enumerate(targets):
        known = predictions.labels[:, index] != LABEL_UNKNOWN
        parts = {f"val_ap_{target}": known}
        parts |= {f"val_ap_{target}_{group.label}": known & (predictions.groups == group) for group in SplitGroup}
        for name, rows in parts.items():
            positive = predictions.labels[rows, index] == LABEL_POSITIVE
            if positive.any() and not positive.all():
                scores[name] = float(average_precision_score(positive, predictions.scores[rows, index]))
    overall = [scores[f"val_ap_{target}"] for target in targets if f"val_ap_{target}" in scores]
    return {"val_average_precision": float(np.mean(overall)), **scores} if overall else {}


class Validator:
    """Validate a model again and again on one split.

    Args:
        steps: Compiled steps.
        batches: Dataset of `validation_batches`.
        mode: Stage of training.
        targets: Names of the targets (clf).
        dtype: Precision of the metrics.
    """

    def __init__(self, steps: Steps, batches: Any, *, mode: Mode, targets: Sequence[str], dtype: str) -> None:
        self._steps = steps
        self._batches = batches
        self._mode = mode
        self._targets = targets
        self._metric = MaskedAUC(num_labels=len(targets), dtype=dtype)
        # Without it, Keras traces its loop over the labels each time.
        self._update_metric = tf.function(self._metric.update_state, autograph=False)

    def can_score(self) -> bool:
        """Look at the labels before any hour of training is spent.

        Returns:
            Whether average precision exists: some target has known labels of both classes (clf only).

        Raises:
            InputError: If the split is empty or, in clf, holds no label.
        """
        molecules, classes = 0, set[tuple[int, int]]()
        for _, labels, row_weight, _ in self._batches:
            molecules += int(np.sum(row_weight))
            if self._mode != "clf":
                break
            known = labels.numpy()
            classes |= {(target, int(code)) for target in range(known.shape[1]) for code in np.unique(known[:, target])}
        classes = {(target, code) for target, code in classes if code != LABEL_UNKNOWN}
        if not molecules or (self._mode == "clf" and not classes):
            raise InputError(
                "No molecule of the validation split has a label." if molecules else "The validation split is empty.",
                received=f"{molecules} molecules",
                expected="labelled molecules: the learning rate, early stopping and the best weights follow them",
                action="Hold out more labelled building blocks or molecules for validation.",
            )
        return any((target, 1 - label) in classes for target, label in classes)

    def scores(self) -> dict[str, float]:
        """Run the model over the split.

        Returns:
            `val_loss`: the mean over batches, weighted by their molecules; in clf also `average_precisions` and
            `val_masked_auc`.
        """
        total, rows = 0.0, 0
        kept: list[tuple[Any, Any, Any]] = []
        self._metric.reset_state()
        for inputs, labels, row_weight, groups in self._batches:
            loss, predictions = self._steps.validate(inputs, labels, row_weight)
            real = row_weight.numpy() > 0
            total += float(loss) * int(real.sum())
            rows += int(real.sum())
            if self._mode == "clf":
                self._update_metric(labels, predictions)
                kept.append((labels.numpy()[real], predictions.numpy()[real], groups.numpy()[real]))
        scores = {"val_loss": total / rows}
        if self._mode == "clf":
            predicted = Predictions(*map(np.concatenate, zip(*kept, strict=True)))
            scores |= average_precisions(predicted, self._targets) | {"val_masked_auc": float(self._metric.result())}
        return scores

    def calibrate(self) -> Calibration:
        """Learn what makes the model's probabilities of the split mean what they say (clf)."""
        odds, labels = [], []
        for inputs, codes, row_weight, _ in self._batches:
            probabilities = self._steps.validate(inputs, codes, row_weight)[1].numpy()
            real = row_weight.numpy() > 0
            odds.append(log_odds(probabilities[real]))
            labels.append(codes.numpy()[real])
        return fit_calibration(np.concatenate(odds), np.concatenate(labels))
