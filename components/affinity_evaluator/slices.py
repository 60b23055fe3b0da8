"""Metrics of one target in one split group, and their mean as the competition defines it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from components.affinity_evaluator.bootstrap import BootstrapSettings, Interval, SliceSamples
from components.affinity_evaluator.calibration import CalibrationBin, calibration_bins
from components.affinity_evaluator.ranking import RankedCells, top_size

ENRICHMENT_SHARES: Final = (0.001, 0.005, 0.01)
# Where precision gets an interval: 0.02 to 1.
RECALLS: Final = tuple(step / 50 for step in range(1, 51))


@dataclass(frozen=True)
class Enrichment:
    """How much richer in positives the best-ranked share is than the slice.

    Attributes:
        share: Part of the ranking.
        molecules: Molecules in it.
        factor: Share of positives among them over the share among all.
    """

    share: float
    molecules: int
    factor: float


@dataclass(frozen=True)
class SliceIntervals:
    """Bootstrap intervals; None where no resample has the metric.

    Attributes:
        average_precision: Of the average precision.
        roc_auc: Of the area under the ROC curve.
        enrichment: Of each entry of `SliceMetrics.enrichment`.
        brier: Of the Brier score.
        calibration: Of the observed share of each calibration bin.
        precision: Of the precision at each of `RECALLS`.
    """

    average_precision: Interval | None
    roc_auc: Interval | None
    enrichment: tuple[Interval | None, ...]
    brier: Interval | None
    calibration: tuple[Interval | None, ...]
    precision: tuple[Interval | None, ...]


@dataclass(frozen=True)
class SliceMetrics:
    """Metrics of one (target, split group).

    Attributes:
        target: Target name.
        split_group: `shared` or `non_shared`: whether training shows all building blocks of these molecules.
        n: Molecules with a known label of this target.
        positives: Those of them with label 1.
        prevalence: positives / n, the average precision of a random ranking; None without a molecule.
        average_precision: scikit-learn's average precision; None when the slice does not exist.
        roc_auc: Area under the ROC curve; None when the slice does not exist.
        reason: Why the slice does not exist; empty when it does.
        enrichment: At 0.1, 0.5 and 1 % of the slice; empty when the slice does not exist.
        brier: Mean squared error of the probabilities; None when they are not probabilities or the slice does not
            exist.
        calibration: Observed against predicted frequency; empty where `brier` is None.
        intervals: Bootstrap intervals; None when the slice does not exist or none were asked for.
    """

    target: str
    split_group: str
    n: int
    positives: int
    prevalence: float | None
    average_precision: float | None
    roc_auc: float | None
    reason: str
    enrichment: tuple[Enrichment, ...] = ()
    brier: float | None = None
    calibration: tuple[CalibrationBin, ...] = ()
    intervals: SliceIntervals | None = None

    @property
    def name(self) -> str:
        """How settings and messages call the slice: `<target>/<split group>`."""
        return f"{self.target}/{self.split_group}"


def slice_metrics(
    target: str, split_group: str, labels: NDArray[np.int8], probabilities: NDArray[np.float32]
) -> SliceMetrics:
    """Compute the metrics of one slice, without intervals.

    A slice exists when it has a positive and a negative and all its predictions are finite. One that does not says so
    in words: its metrics are neither 0 nor NaN and enter no mean.

    Args:
        target: Target name.
        split_group: Name of the split group.
        labels: int8 [n] of 0 and 1; molecules of unknown label are left out by the caller.
        probabilities: float32 [n].

    Source: Leash BELKA, evaluation page (average precision by protein and group); scikit-learn,
        average_precision_score.
    """
    n, positives = len(labels), int(labels.sum(dtype=np.int64))
    reason = _why_absent(n, positives, int(np.count_nonzero(~np.isfinite(probabilities))))
    plain = SliceMetrics(
        target=target,
        split_group=split_group,
        n=n,
        positives=positives,
        prevalence=positives / n if n else None,
        average_precision=None if reason else float(average_precision_score(labels, probabilities)),
        roc_auc=None if reason else float(roc_auc_score(labels, probabilities)),
        reason=reason,
    )
    if reason:
        return plain
    cells = RankedCells.from_predictions(labels, probabilities)
    calibrated = bool(((probabilities >= 0) & (probabilities <= 1)).all())
    return replace(
        plain,
        enrichment=tuple(
            Enrichment(share, top_size(n, share), float(cells.enrichment(share))) for share in ENRICHMENT_SHARES
        ),
        brier=float(brier_score_loss(labels, probabilities)) if calibrated else None,
        calibration=calibration_bins(labels, probabilities) if calibrated else (),
    )


def add_intervals(metrics: SliceMetrics, samples: SliceSamples, settings: BootstrapSettings) -> SliceMetrics:
    """Add bootstrap intervals to the metrics of a slice.

    Args:
        metrics: From `slice_metrics`; the slice exists.
        samples: Metrics of its resamples, for `ENRICHMENT_SHARES` and `RECALLS`.
        settings: The confidence.
    """
    intervals = SliceIntervals(
        average_precision=settings.interval(samples.average_precision),
        roc_auc=settings.interval(samples.roc_auc),
        enrichment=tuple(settings.interval(factor) for factor in samples.enrichment),
        brier=None if metrics.brier is None else settings.interval(samples.brier),
        calibration=tuple(settings.interval(share) for share in samples.observed),
        precision=tuple(settings.interval(values) for values in samples.precision),
    )
    return replace(metrics, intervals=intervals)


def mean_average_precision(slices: Sequence[SliceMetrics]) -> float | None:
    """Average the average precision over a model's slices that exist, with equal weights; None when none exists."""
    values = [s.average_precision for s in slices if s.average_precision is not None]
    return float(np.mean(values)) if values else None


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
