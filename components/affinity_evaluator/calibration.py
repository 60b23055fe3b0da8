"""Whether probabilities mean what they say: observed share of positives by predicted probability."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve

N_BINS: Final = 10


@dataclass(frozen=True)
class CalibrationBin:
    """Molecules of similar predicted probability.

    Attributes:
        predicted: Mean predicted probability.
        observed: Share of positives.
        n: Molecules.
        positives: Positives among them.
    """

    predicted: float
    observed: float
    n: int
    positives: int


def calibration_bins(labels: NDArray[np.int8], probabilities: NDArray[np.float32]) -> tuple[CalibrationBin, ...]:
    """Compare predicted with observed frequencies in ten bins of about equally many molecules, empty ones left out.

    Args:
        labels: int8 [n] of 0 and 1, n at least 1.
        probabilities: float32 [n], from 0 to 1.

    Source: scikit-learn, calibration_curve with the strategy `quantile`.
    """
    values = probabilities.astype(np.float64)
    observed, predicted = calibration_curve(labels, values, n_bins=N_BINS, strategy="quantile")
    # calibration_curve keeps the sizes of its bins to itself.
    sizes = np.bincount(calibration_bin_of(probabilities))
    return tuple(
        CalibrationBin(float(p), float(o), int(n), round(float(o) * int(n)))
        for p, o, n in zip(predicted, observed, sizes, strict=True)
    )


def calibration_bin_of(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """The bin of `calibration_bins` that each molecule is in, int64 [n], counted from 0 without the empty ones.

    Args:
        probabilities: float32 [n], from 0 to 1, n at least 1.
    """
    values = probabilities.astype(np.float64)
    borders = np.percentile(values, np.linspace(0, 1, N_BINS + 1) * 100)
    bins = np.searchsorted(borders[1:-1], values)
    taken = np.bincount(bins, minlength=N_BINS) > 0
    found: NDArray[np.int64] = (np.cumsum(taken) - 1)[bins]
    return found
