"""Ranking metrics of one target in one split group, and their mean as the competition defines it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from components import data_contract as dc


@dataclass(frozen=True)
class SliceMetrics:
    """Metrics of one (target, split group).

    Args:
        target: Target name.
        split_group: `shared` or `non_shared`: whether training shows all building blocks of these molecules.
        n: Molecules with a known label of this target.
        positives: Those of them with label 1.
        prevalence: positives / n, the average precision of a random ranking; None without a molecule.
        average_precision: scikit-learn's average precision; None when the slice does not exist.
        roc_auc: Area under the ROC curve; None when the slice does not exist.
        reason: Why the slice does not exist; empty when it does.
    """

    target: str
    split_group: str
    n: int
    positives: int
    prevalence: float | None
    average_precision: float | None
    roc_auc: float | None
    reason: str


def slice_metrics(
    target: str, split_group: str, labels: NDArray[np.int8], probabilities: NDArray[np.float32]
) -> SliceMetrics:
    """Compute the metrics of one slice.

    A slice exists when it has a positive and a negative and all its predictions are finite. One that does not says so in words:
    its metrics are neither 0 nor NaN and enter no mean.

    Args:
        target: Target name.
        split_group: Name of the split group.
        labels: int8 [n] of 0 and 1; molecules of unknown label are left out by the caller.
        probabilities: float32 [n].

    Returns:
        The metrics.

    Source: Leash BELKA, evaluation page (average precision by protein and group); scikit-learn, average_precision_score.
    """
    n, positives = len(labels), int(labels.sum(dtype=np.int64))
    reason = _why_absent(n, positives, int(np.count_nonzero(~np.isfinite(probabilities))))
    return SliceMetrics(
        target=target,
        split_group=split_group,
        n=n,
        positives=positives,
        prevalence=positives / n if n else None,
        average_precision=None if reason else float(average_precision_score(labels, probabilities)),
        roc_auc=None if reason else float(roc_auc_score(labels, probabilities)),
        reason=reason,
    )


def mean_average_precision(slices: Sequence[SliceMetrics]) -> float | None:
    """Average the average precision over the slices that exist, each with the same weight.

    Args:
        slices: Slices of one model.

    Returns:
        The plain mean; None when no slice exists.
    """
    values = [s.average_precision for s in slices if s.average_precision is not None]
    return float(np.mean(values)) if values else None


def known(labels: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Mark the labels that count: an unknown one enters no metric.

    Args:
        labels: int8 [n] of label codes.

    Returns:
        bool [n].
    """
    return np.not_equal(labels, dc.LABEL_UNKNOWN)


def _why_absent(n: int, positives: int, not_finite: int) -> str:
    if not n:
        return "no molecule with a known label"
    if not positives:
        return "no positive"
    if positives == n:
        return "no negative"
    if not_finite:
        return f"{not_finite} predictions that are not finite"
    return ""
