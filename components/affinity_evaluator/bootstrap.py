"""Percentile bootstrap intervals of metrics."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from components.affinity_evaluator.ranking import RankedMolecules, Weights

Samples = NDArray[np.float64]

# Counts held at a time while resampling: 4 million of 8 bytes, with their sums about 200 MB.
_CELLS_AT_A_TIME: Final = 1 << 22
# Squared errors are rounded to this for resampling only, so that the cost does not grow with the molecules.
_SQUARED_ERROR_STEPS: Final = 10_000


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
class RankingSamples:
    """Ranking metrics of the bootstrap resamples of one slice.

    Attributes:
        average_precision: float64 [n_samples].
        roc_auc: float64 [n_samples].
        enrichment: float64 [n_shares, n_samples].
        precision: float64 [n_recalls, n_samples].
    """

    average_precision: Samples
    roc_auc: Samples
    enrichment: Samples
    precision: Samples


@dataclass(frozen=True)
class RankedSlice:
    """A ranking among the molecules of a split group, most of which may have no label for it.

    Attributes:
        rows: int64 [n], the molecules of the ranking, as positions among those of the group.
        ranking: Their cells.
    """

    rows: NDArray[np.int64]
    ranking: RankedMolecules


def resample_rankings(
    slices: Sequence[RankedSlice],
    n_molecules: int,
    *,
    shares: Sequence[float],
    recalls: Sequence[float],
    n_samples: int,
    generator: np.random.Generator,
) -> list[RankingSamples]:
    """Ranking metrics of resamples, one entry per slice, of a split group's molecules drawn with replacement.

    A molecule brings its labels of all targets along: slices of one resample depend on each other as those of the data
    do. The same generator draws the same molecules for another model.

    Args:
        slices: The rankings of the group, one a target.
        n_molecules: Molecules of the group, at least 1.
        shares: Parts of the ranking whose enrichment is computed.
        recalls: Recalls whose precision is computed.
        n_samples: Number of resamples.
        generator: Source of random numbers.

    Time grows with molecules times resamples; memory with the molecules.
    """
    at_a_time = max(1, _CELLS_AT_A_TIME // max(sum(part.ranking.n_cells for part in slices), 1))
    parts: list[list[RankingSamples]] = [[] for _ in slices]
    for start in range(0, n_samples, at_a_time):
        counts: list[list[Weights]] = [[] for _ in slices]
        for _ in range(start, min(start + at_a_time, n_samples)):
            drawn = np.bincount(generator.integers(n_molecules, size=n_molecules), minlength=n_molecules)
            weights = drawn.astype(np.float64)
            for found, part in zip(counts, slices, strict=True):
                found.append(part.ranking.count(weights[part.rows]))
        for done, part, found in zip(parts, slices, counts, strict=True):
            cells = part.ranking.counted(np.array(found))
            enrichment = np.array([cells.enrichment(share) for share in shares])
            precision = cells.precision_at(np.array(recalls)).T
            done.append(RankingSamples(cells.average_precision(), cells.roc_auc(), enrichment, precision))
    names = [field.name for field in dataclasses.fields(RankingSamples)]
    return [
        RankingSamples(*(np.concatenate([getattr(one, name) for one in done], axis=-1) for name in names))
        for done in parts
    ]


def resample_brier(squared_errors: NDArray[np.float64], n_samples: int, generator: np.random.Generator) -> Samples:
    """Compute the Brier score of bootstrap resamples, to 1e-4, float64 [n_samples].

    Args:
        squared_errors: float64 [n], (probability - label)^2, from 0 to 1.
        n_samples: Number of resamples.
        generator: Source of random numbers.
    """
    steps, counts = np.unique(np.rint(squared_errors * _SQUARED_ERROR_STEPS), return_counts=True)
    total = int(counts.sum())
    mean: Samples = generator.multinomial(total, counts / total, size=n_samples) @ steps / _SQUARED_ERROR_STEPS / total
    return mean


def resample_shares(
    positives: NDArray[np.int64], sizes: NDArray[np.int64], n_samples: int, generator: np.random.Generator
) -> Samples:
    """Share of positives in each bin of resamples, float64 [n_bins, n_samples]; NaN where the bin has no molecule.

    Args:
        positives: int64 [n_bins].
        sizes: int64 [n_bins], molecules in each bin.
        n_samples: Number of resamples.
        generator: Source of random numbers.
    """
    counts = np.concatenate([positives, sizes - positives])
    total = int(counts.sum())
    drawn = generator.multinomial(total, counts / total, size=n_samples).T
    hits, misses = drawn[: positives.size], drawn[positives.size :]
    with np.errstate(invalid="ignore"):
        shares: Samples = hits / (hits + misses)
    return shares
