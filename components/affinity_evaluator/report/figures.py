"""The report's figures of one evaluation, as inline SVG."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from belka.pages.figures import LINE, NARROW, TEXT, draw
from components.affinity_evaluator.bootstrap import Interval
from components.affinity_evaluator.report.series import LOOKS, look_of
from components.affinity_evaluator.slices import ENRICHMENT_SHARES, RECALLS, SliceMetrics

_CURVE_POINTS: Final = 300

Curve = tuple[NDArray[np.int8], NDArray[np.float32]]


def _bars(panel: Axes, x: Iterable[float], intervals: Sequence[Interval | None], **style: Any) -> None:
    for where, interval in zip(x, intervals, strict=False):
        if interval:
            panel.plot([where, where], [interval.low, interval.high], **style)


def precision_recall(curves: Mapping[str, Mapping[str, Curve]], bands: Mapping[str, SliceMetrics]) -> str:
    """Precision against recall, with the bootstrap interval of the precision.

    Args:
        curves: Target -> split group -> labels int8 [n], probabilities float32 [n].
        bands: Name of the slice -> its metrics, whose intervals are drawn where there are any.
    """

    def paint(panels: Sequence[Axes]) -> None:
        for panel, (target, groups) in zip(panels, curves.items(), strict=True):
            for group, (labels, probabilities) in groups.items():
                look = LOOKS[group]
                recall, precision = _thinned(*precision_recall_curve(labels, probabilities)[:2])
                panel.plot(recall, precision, color=look.colour, label=look.label)
                panel.axhline(float(labels.mean()), color=look.colour, linewidth=0.9, linestyle=":")
                intervals = bands[f"{target}/{group}"].intervals
                pairs = zip(RECALLS, intervals.precision, strict=True) if intervals else ()
                known = [pair for pair in pairs if pair[1]]
                low, high = ([getattr(interval, end) for _, interval in known] for end in ("low", "high"))
                panel.fill_between([x for x, _ in known], low, high, color=look.colour, alpha=0.2, linewidth=0)
            panel.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02))
            if groups:
                panel.plot([], [], ":", color=TEXT, linewidth=0.9, label="random ranking")

    return draw("precision-recall", "Precision and recall", list(curves), paint)


def _thinned(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> tuple[Any, Any]:
    """Points of a curve evenly spaced in recall: it may have millions, most of them at the lowest precision."""
    rising = recall[::-1]
    kept = np.unique(np.searchsorted(rising, np.linspace(0, 1, _CURVE_POINTS)).clip(max=rising.size - 1))
    return rising[kept], precision[::-1][kept]


def enrichment(slices: Sequence[SliceMetrics], targets: Sequence[str]) -> str:
    """How much richer in positives the best-ranked molecules are, and how much richer they could be.

    Args:
        slices: Of the model.
        targets: One panel each.
    """

    def paint(panels: Sequence[Axes]) -> None:
        for panel, target in zip(panels, targets, strict=True):
            existing = [part for part in slices if part.target == target and part.enrichment]
            for part in existing:
                look = LOOKS[part.split_group]
                x = np.arange(len(part.enrichment)) + look.shift
                panel.plot(x, [e.factor for e in part.enrichment], look.mark, color=look.colour, label=look.label)
                if part.intervals:
                    _bars(panel, x, part.intervals.enrichment, color=look.colour, lw=2, alpha=0.6)
                best = [part.n / max(part.positives, one.molecules) for one in part.enrichment]
                panel.plot(x, best, "_", color=TEXT, ms=9, label="best possible" if part is existing[-1] else None)
            panel.set(xlabel="best-ranked share", ylabel="enrichment", xlim=(-0.5, len(ENRICHMENT_SHARES) - 0.5))
            panel.set_xticks(range(len(ENRICHMENT_SHARES)), [f"{100 * share:g}%" for share in ENRICHMENT_SHARES])
            panel.set_ylim(0, 1.12 * panel.dataLim.y1 if existing else 1)

    return draw("enrichment", "Early enrichment", targets, paint, size=(NARROW, 2.8))


def average_precisions(
    models: Mapping[str, Sequence[SliceMetrics]], targets: Sequence[str], confidence: float, name: str = "scores"
) -> str:
    """Average precision of models with its interval: a panel a protein, a row a model.

    Args:
        models: Name -> slices of the model.
        targets: Target names.
        confidence: Of the intervals.
        name: See `belka.pages.figures.pictures`.
    """

    def paint(panels: Sequence[Axes]) -> None:
        for panel, target in zip(panels, targets, strict=True):
            for row, parts in enumerate(models.values()):
                for part in parts:
                    if part.target == target and part.average_precision is not None:
                        _point(panel, row, part, part.average_precision, first=not row)
            if panel.lines:
                panel.plot([], [], ":", color=TEXT, linewidth=0.9, label="random ranking")
            panel.set_yticks(range(len(models)), list(models))
            panel.set_ylim(len(models) - 0.5, -0.5)
            panel.set(xlabel=f"average precision, {confidence:.0%} interval", xlim=(0, 1.02))

    return draw(name, "Average precision", targets, paint, size=(NARROW, 1.35 + 0.28 * len(models)))


def _point(panel: Axes, row: int, part: SliceMetrics, value: float, *, first: bool) -> None:
    look = LOOKS[part.split_group]
    y = row + look.shift
    interval = part.intervals.average_precision if part.intervals else None
    if interval:
        panel.plot([interval.low, interval.high], [y, y], color=look.colour, linewidth=2, alpha=0.6)
    panel.plot(value, y, look.mark, color=look.colour, label=look.label if first else None)
    if first:
        panel.axvline(part.prevalence or 0.0, color=look.colour, linewidth=0.9, linestyle=":")


def calibration(slices: Sequence[SliceMetrics], targets: Sequence[str]) -> str:
    """Observed share of positives against predicted probability.

    Args:
        slices: Of the model.
        targets: One panel each.
    """

    def paint(panels: Sequence[Axes]) -> None:
        for panel, target in zip(panels, targets, strict=True):
            panel.plot([0, 1], [0, 1], color=LINE, linewidth=1, linestyle="--", label="perfect")
            for part in slices:
                if part.target != target or not part.calibration:
                    continue
                look = look_of(part.split_group)
                x, y = ([getattr(one, name) for one in part.calibration] for name in ("predicted", "observed"))
                panel.plot(x, y, f"{look.mark}-", ms=3, lw=1, color=look.colour, label=look.label)
                if part.intervals:
                    _bars(panel, x, part.intervals.calibration, color=look.colour, alpha=0.5, lw=1)
            panel.set(xlabel="predicted probability", ylabel="observed share", xlim=(0, 1), ylim=(0, 1))

    return draw("calibration", "Calibration", targets, paint)
