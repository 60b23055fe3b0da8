"""Percentile bootstrap intervals of metrics."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix  # type: ignore[import-untyped]  # SciPy ships no types

from belka.progress import counted
from components.affinity_evaluator.ranking import RankedMolecules
from components.affinity_evaluator.units import Units

Samples = NDArray[np.float64]

# Counts held at a time while resampling: 4 million of 8 bytes, with their sums about 200 MB.
_CELLS_AT_A_TIME: Final = 1 << 22
# Squared errors are counted in these steps: sums of whole numbers are the same in whatever order they are made.
_ERROR_STEPS: Final = 1 << 20
# More distinct probabilities of positives than this are put together for resampling, as many positives each: average
# precision moves by less than 1e-4, and the cost of a resample no longer grows with the positives.
MAX_TIE_GROUPS: Final = 1 << 13


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: Lower end.
        high: Upper end.
    """

    low: float
    high: float


@dataclass(frozen=True)
class BootstrapSettings:
    """How intervals are computed.

    Attributes:
        samples: Number of resamples, at least 1.
        confidence: Share of the resamples inside the interval, above 0, below 1.
        seed: Same seed, same intervals.
    """

    samples: int = 1000
    confidence: float = 0.95
    seed: int = 42

    def generator(self, *stream: int) -> np.random.Generator:
        """Random numbers of the purpose that the numbers of `stream` name, the same whatever else is computed."""
        return np.random.default_rng([self.seed, *stream])

    def interval(self, samples: Samples) -> Interval | None:
        """Percentile interval of a metric; None where no resample has it.

        Args:
            samples: float64 [n_samples]; NaN where the resample lacks positives or negatives.

        Source: Efron, Tibshirani: An Introduction to the Bootstrap, chapter 13 (1993).
        """
        usable = samples[~np.isnan(samples)]
        if not usable.size:
            return None
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(usable, [tail, 1 - tail])
        return Interval(float(low), float(high))


@dataclass(frozen=True)
class SliceSamples:
    """Metrics of the bootstrap resamples of one slice; NaN where a resample lacks what a metric needs.

    Attributes:
        average_precision: float64 [n_samples].
        roc_auc: float64 [n_samples].
        enrichment: float64 [n_shares, n_samples].
        precision: float64 [n_recalls, n_samples].
        brier: float64 [n_samples].
        observed: float64 [n_bins, n_samples], share of positives in each calibration bin.
    """

    average_precision: Samples
    roc_auc: Samples
    enrichment: Samples
    precision: Samples
    brier: Samples
    observed: Samples


@dataclass(frozen=True)
class ResampledSlice:
    """The molecules of one slice, counted by what resamples weigh alike.

    Attributes:
        ranking: Ranks of the molecules.
        cells: Sparse float64 [n_cells, n_units], molecules by cell of the ranking.
        sums: float64 [1 + 2 * n_bins, n_units]: squared errors, in `_ERROR_STEPS`; then positives of each calibration
            bin; then molecules of each. Empty where predictions are not probabilities.
    """

    ranking: RankedMolecules
    cells: Any
    sums: NDArray[np.float64]

    @classmethod
    def count(
        cls,
        labels: NDArray[np.int8],
        probabilities: NDArray[np.float32],
        units: NDArray[np.int32],
        n_units: int,
        bins: NDArray[np.int64] | None,
    ) -> Self:
        """Count the molecules of a slice.

        Args:
            labels: int8 [n] of 0 and 1, both there.
            probabilities: float32 [n], finite.
            units: int32 [n], the unit of each molecule.
            n_units: Number of units of the split group.
            bins: int64 [n], the calibration bin of each molecule; None where predictions are not probabilities.
        """
        ranking = RankedMolecules.from_predictions(labels, probabilities, max_groups=MAX_TIE_GROUPS)
        shape = (ranking.n_cells, n_units)
        cells = coo_matrix((np.ones(units.size), (ranking.cells, units)), shape=shape).tocsr()
        if bins is None:
            return cls(ranking, cells, np.empty((0, n_units)))
        squares = np.rint(np.square(probabilities.astype(np.float64) - labels) * _ERROR_STEPS)
        errors = np.bincount(units, squares, minlength=n_units)
        n_bins = int(bins.max()) + 1
        places = bins * n_units + units
        counts = [np.bincount(places, weights, minlength=n_bins * n_units) for weights in (labels, None)]
        return cls(ranking, cells, np.concatenate([errors, *counts]).reshape(-1, n_units))

    def resampled(
        self, weights: NDArray[np.float64], shares: Sequence[float], recalls: Sequence[float]
    ) -> SliceSamples:
        """Compute the metrics of resamples.

        Args:
            weights: float64 [n_units, n_samples], how often each unit counts.
            shares: Parts of the ranking whose enrichment is computed.
            recalls: Recalls whose precision is computed.
        """
        cells = self.ranking.counted(np.ascontiguousarray((self.cells @ weights).T).astype(np.int64))
        sums = self.sums @ weights
        n_bins = len(sums) // 2
        errors, positives, sizes = sums[:1], sums[1 : 1 + n_bins], sums[1 + n_bins :]
        with np.errstate(invalid="ignore"):
            brier = (errors / _ERROR_STEPS / sizes.sum(axis=0)).ravel()
            observed = positives / sizes
        return SliceSamples(
            cells.average_precision(),
            cells.roc_auc(),
            np.array([cells.enrichment(share) for share in shares]),
            cells.precision_at(np.array(recalls)).T,
            brier,
            observed,
        )


def resample_slices(
    slices: Sequence[ResampledSlice],
    units: Units,
    *,
    shares: Sequence[float],
    recalls: Sequence[float],
    n_samples: int,
    generator: np.random.Generator,
) -> list[SliceSamples]:
    """Metrics of resamples, one entry per slice of a split group, all of the same resamples.

    A unit brings its molecules' labels of all targets along: slices of one resample depend on each other as those of
    the data do. The same generator draws the same units for another model.

    Args:
        slices: The slices of the group, one a target.
        units: What is drawn.
        shares: Parts of the ranking whose enrichment is computed.
        recalls: Recalls whose precision is computed.
        n_samples: Number of resamples.
        generator: Source of random numbers.

    Time grows with units and cells times resamples; memory with the molecules, see `ResampledSlice`.
    """
    at_a_time = max(1, _CELLS_AT_A_TIME // (units.n + max(part.ranking.n_cells for part in slices)))
    parts: list[list[SliceSamples]] = [[] for _ in slices]
    sizes = [min(at_a_time, n_samples - start) for start in range(0, n_samples, at_a_time)]
    for size in counted(sizes, "resampling", "resamples", n_samples, size=int):
        weights = units.draw(generator, size)
        for done, part in zip(parts, slices, strict=True):
            done.append(part.resampled(weights, shares, recalls))
    names = [field.name for field in dataclasses.fields(SliceSamples)]
    return [
        SliceSamples(*(np.concatenate([getattr(one, name) for one in done], axis=-1) for name in names))
        for done in parts
    ]
