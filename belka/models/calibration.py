"""Make a model's probabilities mean what they say: for each target one rising line on the scale of log-odds.

Two numbers a target are all that a few hundred binders can tell, and a rising line changes no ranking. It holds for the
share of binders among the molecules it was learnt from, and for molecules that are as new as those.

Source: Platt: Probabilistic outputs for support vector machines (1999), with its smoothed labels; Guo et al.: On
calibration of modern neural networks, ICML 2017, on calibrating a trained model anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit  # type: ignore[import-untyped]  # SciPy ships no types

from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN
from belka.models.logistic import fit_bounded_logistic

# A line that falls, or hardly rises, would turn or end the ranking; that of a model worse than chance rises by this.
LEAST_SLOPE: Final = 0.05
# More molecules than this tell two numbers no better: of more, as many evenly spaced ones are used.
MOST_MOLECULES: Final = 1 << 18
# Single-precision probabilities of 0 and 1 have no log-odds; these have.
LEAST_PROBABILITY: Final = 1e-30
MOST_PROBABILITY: Final = 1 - 2.0**-24

Odds = NDArray[np.floating]


@dataclass(frozen=True)
class Calibration:
    """The lines of all targets: log-odds as served = slope * log-odds of the model + offset.

    Attributes:
        slopes: One a target, at least `LEAST_SLOPE`; 1 where there was nothing to learn it from.
        offsets: One a target; 0 likewise.
        molecules: Molecules with a known label of each target that it was learnt from; 0 likewise.
    """

    slopes: tuple[float, ...]
    offsets: tuple[float, ...]
    molecules: tuple[int, ...]

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """What JSON holds of one.

        Raises:
            ValueError, TypeError, KeyError: It is none.
        """
        slopes, offsets = (tuple(map(float, stored[name])) for name in ("slopes", "offsets"))
        molecules = tuple(map(int, stored["molecules"]))
        finite = np.isfinite([*slopes, *offsets]).all()
        if not len(slopes) == len(offsets) == len(molecules) or not finite or not min(slopes, default=1.0) > 0:
            raise ValueError("a calibration has a slope above 0, an offset and a number of molecules for each target")
        return cls(slopes, offsets, molecules)

    def applied(self, odds: Odds) -> NDArray[np.float64]:
        """Log-odds as served, float64 [n, n_targets], of those of the model, float [n, n_targets]."""
        lines: NDArray[np.float64] = np.asarray(self.slopes) * odds + np.asarray(self.offsets)
        return lines

    def undone(self, odds: Odds) -> NDArray[np.float64]:
        """Log-odds of the model, float64 [n, n_targets], of those as served."""
        lines: NDArray[np.float64] = (odds - np.asarray(self.offsets)) / np.asarray(self.slopes)
        return lines


def fit_calibration(odds: Odds, labels: NDArray[np.integer]) -> Calibration:
    """Learn the lines from molecules whose labels the model did not learn from.

    Args:
        odds: Float [n, n_targets], the model's log-odds; what is not finite does not count.
        labels: Integers [n, n_targets], label codes; an unknown one does not count.

    Returns:
        The lines. A target without both labels keeps its probabilities.
    """
    lines = [_fit_line(odds[:, target], labels[:, target]) for target in range(labels.shape[1])]
    slopes, offsets, molecules = zip(*lines, strict=True)
    return Calibration(slopes, offsets, molecules)


def log_odds(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Log-odds of probabilities, float64; finite also for 0 and 1, NaN for NaN."""
    kept = np.clip(probabilities.astype(np.float64), LEAST_PROBABILITY, MOST_PROBABILITY)
    odds: NDArray[np.float64] = np.log(kept) - np.log1p(-kept)
    return odds


def probabilities_of(odds: Odds) -> NDArray[np.float32]:
    """Probabilities of log-odds, float32."""
    return np.asarray(expit(odds), np.float32)


def _fit_line(odds: Odds, labels: NDArray[np.integer]) -> tuple[float, float, int]:
    rows = np.flatnonzero((labels != LABEL_UNKNOWN) & np.isfinite(odds))
    if rows.size > MOST_MOLECULES:
        rows = rows[np.linspace(0, rows.size - 1, MOST_MOLECULES).astype(np.int64)]
    hits = labels[rows] == LABEL_POSITIVE
    n, positives = rows.size, int(hits.sum())
    if not 0 < positives < n:
        return 1.0, 0.0, 0
    # Platt's labels: those of as many more molecules as there are classes, so that no line becomes infinitely steep.
    wanted = np.where(hits, (positives + 1) / (positives + 2), 1 / (n - positives + 2))
    slopes, offset = fit_bounded_logistic(odds[rows, None], wanted, ridge=0.0, least=LEAST_SLOPE)
    return float(slopes[0]), offset, n
