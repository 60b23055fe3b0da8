"""Robust scaling: every descriptor in units of its own spread, so that one loss fits them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

CLIP: Final = 5.0
# A deviation below this share of the median is rounding.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class DescriptorScale:
    """Where the values of each descriptor lie.

    Attributes:
        median: float64 [n_descriptors].
        spread: float64 [n_descriptors], the interquartile range; where that is 0, as it is for what few molecules have,
            the standard deviation; 1 where all values are the same.
        is_constant: bool [n_descriptors], whether they are.
    """

    median: Values
    spread: Values
    is_constant: NDArray[np.bool_]

    @classmethod
    def fit(cls, parts: Sequence[Values]) -> "DescriptorScale":
        """Learn the scale of some molecules.

        Args:
            parts: float64 [n, n_descriptors] each; NaN = not defined.
        """
        found = [_scale_of(np.concatenate(columns)) for columns in zip(*(part.T for part in parts), strict=True)]
        median, spread, is_constant = zip(*found, strict=True)
        return cls(np.array(median), np.array(spread), np.array(is_constant))

    def applied(self, values: Values) -> NDArray[np.float32]:
        """Scale values, float64 [n, n_descriptors], to float32 between -CLIP and CLIP; NaN stays."""
        return np.clip((values - self.median) / self.spread, -CLIP, CLIP).astype(np.float32)

    def told(self, names: Sequence[str]) -> dict[str, Any]:
        """The scale as JSON holds it, for descriptors of these names."""
        return {
            "names": list(names),
            "median": self.median.tolist(),
            "spread": self.spread.tolist(),
            "clip": CLIP,
            "constant": [name for name, same in zip(names, self.is_constant, strict=True) if same],
        }


def _scale_of(values: Values) -> tuple[float, float, bool]:
    """Median and spread of one descriptor, and whether it is the same in all molecules."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 0.0, 1.0, True
    low, median, high = (float(value) for value in np.percentile(known, (25, 50, 75)))
    least, deviation = _ROUNDING * max(1.0, abs(median)), float(known.std())
    if deviation <= least:
        return median, 1.0, True
    return median, high - low if high - low > least else deviation, False
