"""The report's figures as inline SVG."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from belka.pages.figures import LINE, PALETTE, TEXT, draw
from components.affinity_evaluator.bootstrap import Interval
from components.affinity_evaluator.gate import Gain
from components.affinity_evaluator.slices import ENRICHMENT_SHARES, RECALLS, SliceMetrics

_CURVE_POINTS: Final = 300
_PRECISION: Final = "val_average_precision"

Curve = tuple[NDArray[np.int8], NDArray[np.float32]]


def _group(name: str) -> str:
    return name.replace("_", "-")


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
            for colour, (group, (labels, probabilities)) in zip(PALETTE, groups.items(), strict=False):
                recall, precision = _thinned(*precision_recall_curve(labels, probabilities)[:2])
                panel.plot(recall, precision, color=colour, label=_group(group))
                panel.axhline(float(labels.mean()), color=colour, linewidth=0.8, linestyle=":")
                intervals = bands[f"{target}/{group}"].intervals
                pairs = zip(RECALLS, intervals.precision, strict=True) if intervals else ()
                known = [pair for pair in pairs if pair[1]]
                low, high = ([getattr(interval, end) for _, interval in known] for end in ("low", "high"))
                panel.fill_between([x for x, _ in known], low, high, color=colour, alpha=0.2, linewidth=0)
            panel.set(title=target, xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02))
            if groups:
                panel.legend(loc="lower left")

    return draw("precision-recall", 2.9, len(curves), paint)


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
            for i, (colour, part) in enumerate(zip(PALETTE, existing, strict=False)):
                x = np.arange(len(part.enrichment)) + 0.16 * (i - 0.5)
                panel.plot(x, [e.factor for e in part.enrichment], "o", color=colour, label=_group(part.split_group))
                if part.intervals:
                    _bars(panel, x, part.intervals.enrichment, color=colour, lw=2, alpha=0.6)
                best = [part.n / max(part.positives, one.molecules) for one in part.enrichment]
                panel.plot(x, best, "_", color=TEXT, ms=9, label="best possible" if part is existing[-1] else None)
            panel.set(title=target, xlabel="best-ranked share", xlim=(-0.5, len(ENRICHMENT_SHARES) - 0.5))
            panel.set_xticks(range(len(ENRICHMENT_SHARES)), [f"{100 * share:g}%" for share in ENRICHMENT_SHARES])
            panel.set_ylim(0, 1.12 * panel.dataLim.y1 if existing else 1)
        panels[0].set_ylabel("enrichment")
        if panels[0].lines:
            panels[0].legend(loc="lower left")

    return draw("enrichment", 2.5, len(targets), paint)


def average_precisions(
    slices: Sequence[SliceMetrics], others: Mapping[str, Sequence[SliceMetrics]], confidence: float
) -> str:
    """Average precision of every slice with its interval, beside other models.

    Args:
        slices: Of the model.
        others: Name -> slices of another model in the same order.
        confidence: Of the intervals.
    """
    shown = [s for s in slices if s.average_precision is not None]

    def paint(panels: Sequence[Axes]) -> None:
        (panel,) = panels
        series = {f"this model, {confidence:.0%} interval": slices, **others}
        for i, (name, parts) in enumerate(series.items()):
            by_name = {part.name: part for part in parts}
            for row, part in enumerate(shown):
                found = by_name.get(part.name)
                if found is None or found.average_precision is None:
                    continue
                y = row + 0.18 * i
                interval = found.intervals.average_precision if found.intervals else None
                if interval:
                    panel.plot([interval.low, interval.high], [y, y], color=PALETTE[i], linewidth=2, alpha=0.6)
                panel.plot(found.average_precision, y, "o", color=PALETTE[i], label=name if row == 0 else None)
        for row, part in enumerate(shown):
            panel.plot(part.prevalence or 0.0, row, "|", color=TEXT, label="random ranking" if row == 0 else None)
        panel.set_yticks(range(len(shown)), [_group(part.name) for part in shown])
        panel.invert_yaxis()
        panel.set(xlabel="average precision", xlim=(0, 1.01))
        if shown:
            panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    return draw("average-precision", 0.9 + 0.42 * max(len(shown), 1), 1, paint)


def gains(others: Mapping[str, Sequence[Gain]], confidence: float) -> str:
    """What the model gains in average precision over other models, on the mean and by slice, with intervals.

    Args:
        others: Name of the other model -> gains over it, all of the same slices in the same order.
        confidence: Of the intervals.
    """
    rows = [gain.name for gain in next(iter(others.values()), ())]

    def paint(panels: Sequence[Axes]) -> None:
        (panel,) = panels
        panel.axvline(0, color=TEXT, linewidth=0.8)
        for i, (colour, (name, found)) in enumerate(zip(PALETTE[1:], others.items(), strict=False)):
            for row, gain in enumerate(found):
                y = row + 0.2 * (i - (len(others) - 1) / 2)
                if gain.interval:
                    panel.plot([gain.interval.low, gain.interval.high], [y, y], color=colour, linewidth=2, alpha=0.6)
                panel.plot(gain.value, y, "o", color=colour, label=f"over {name}" if row == 0 else None)
        panel.set_yticks(range(len(rows)), [_group(name) for name in rows])
        panel.invert_yaxis()
        panel.set_xlabel(f"gain in average precision, {confidence:.0%} interval")
        if rows:
            panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))

    return draw("gains", 0.9 + 0.42 * max(len(rows), 1), 1, paint)


def calibration(slices: Sequence[SliceMetrics], targets: Sequence[str]) -> str:
    """Observed share of positives against predicted probability.

    Args:
        slices: Of the model.
        targets: One panel each.
    """

    def paint(panels: Sequence[Axes]) -> None:
        for panel, target in zip(panels, targets, strict=True):
            panel.plot([0, 1], [0, 1], color=LINE, linewidth=1, linestyle="--")
            for colour, part in zip(PALETTE, (s for s in slices if s.target == target), strict=False):
                if not part.calibration:
                    continue
                x, y = ([getattr(one, name) for one in part.calibration] for name in ("predicted", "observed"))
                panel.plot(x, y, "o-", ms=3, lw=1, color=colour, label=_group(part.split_group))
                if part.intervals:
                    _bars(panel, x, part.intervals.calibration, color=colour, alpha=0.5, lw=1)
            panel.set(title=target, xlabel="predicted probability", ylabel="observed share", xlim=(0, 1), ylim=(0, 1))
            if any(part.calibration for part in slices if part.target == target):
                panel.legend(loc="upper left")

    return draw("calibration", 2.9, len(targets), paint)


def training_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Training and validation loss by epoch, a panel a stage.

    Args:
        histories: Stage -> one mapping an epoch, with `epoch`, `loss` and `val_loss`.
    """

    def paint(panels: Sequence[Axes]) -> None:
        for panel, (stage, epochs) in zip(panels, histories.items(), strict=True):
            for colour, key, label in zip(PALETTE, ("loss", "val_loss"), ("training", "validation"), strict=False):
                points = [(row["epoch"], row[key]) for row in epochs if row.get(key) is not None]
                if points:
                    panel.plot(*zip(*points, strict=True), "o-", ms=3, color=colour, label=f"{label} loss")
            precision = [(row["epoch"], row[_PRECISION]) for row in epochs if _PRECISION in row]
            if precision:
                # A scale of its own: beside it the changes of a small loss would not be seen.
                other = panel.twinx()
                other.spines["right"].set_visible(True)
                other.grid(visible=False)
                other.plot(*zip(*precision, strict=True), "s--", ms=3, color=PALETTE[2])
                other.set_ylabel("early-stopping average precision")
                panel.plot([], [], "s--", ms=3, color=PALETTE[2], label="validation AP (right)")
            panel.set(title=stage, xlabel="epoch", ylabel="loss")
            panel.set_xlim(0.5, max((row["epoch"] for row in epochs), default=1) + 0.5)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            panel.legend(loc="center right")

    return draw("training", 2.7, len(histories), paint)
