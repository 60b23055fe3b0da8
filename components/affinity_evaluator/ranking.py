"""Ranking metrics from counts: what bootstrap resamples of one ranking need, whatever the number of molecules.

Between two positives the order of the negatives changes no metric, so a ranking is told by a few counts (cells) for each distinct
probability that a positive has. A bootstrap resample of the molecules is then a multinomial draw of the cells: the same
distribution as drawing molecules, at a cost that grows with the positives, which are rare, instead of the molecules.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.int64]


@dataclass(frozen=True)
class RankedCells:
    """Molecules of a ranking counted by cell, in one or several resamples.

    A tie group is a distinct probability that at least one positive has; groups are in descending order of it.

    Attributes:
        positives: int64 [..., n_groups], positives of each tie group.
        tied: int64 [..., n_groups], negatives with exactly the probability of the group.
        gaps: int64 [..., n_groups + 1], negatives ranked between the group before and this one; the last: below all positives.
    """

    positives: Weights
    tied: Weights
    gaps: Weights

    @classmethod
    def from_predictions(cls, labels: NDArray[np.int8], probabilities: NDArray[np.float32]) -> Self:
        """Count one ranking.

        Args:
            labels: int8 [n] of 0 and 1, at least one 1.
            probabilities: float32 [n], finite.
        """
        thresholds, positives = np.unique(probabilities[labels == 1], return_counts=True)
        negatives = np.sort(probabilities[labels == 0])
        below = np.searchsorted(negatives, thresholds, side="left")
        up_to = np.searchsorted(negatives, thresholds, side="right")
        gaps = np.concatenate([below, [negatives.size]]) - np.concatenate([[0], up_to])
        return cls(
            positives[::-1].astype(np.int64), (up_to - below)[::-1].astype(np.int64), gaps[::-1].astype(np.int64)
        )

    @property
    def n_cells(self) -> int:
        """Number of cells of one resample."""
        return self.positives.size + self.tied.size + self.gaps.size

    def resample(self, generator: np.random.Generator, n_samples: int) -> "RankedCells":
        """Draw bootstrap resamples of this one ranking, each of as many molecules as it has.

        Args:
            generator: Source of random numbers.
            n_samples: Number of resamples.

        Returns:
            Cells with the leading dimension `n_samples`.
        """
        counts = np.concatenate([self.positives, self.tied, self.gaps])
        total = int(counts.sum())
        drawn = generator.multinomial(total, counts / total, size=n_samples)
        n_groups = self.positives.shape[-1]
        return RankedCells(drawn[:, :n_groups], drawn[:, n_groups : 2 * n_groups], drawn[:, 2 * n_groups :])

    def average_precision(self) -> NDArray[np.float64]:
        """Average precision of each resample, float64 [...]; NaN without a positive.

        Source: scikit-learn, average_precision_score: the sum over thresholds of the gain in recall times the precision.
        """
        hits = np.cumsum(self.positives, axis=-1)
        ranked = hits + np.cumsum(self.gaps[..., :-1] + self.tied, axis=-1)
        precision = hits / np.maximum(ranked, 1)
        with np.errstate(invalid="ignore"):
            value: NDArray[np.float64] = (self.positives * precision).sum(axis=-1) / hits[..., -1]
        return value

    def roc_auc(self) -> NDArray[np.float64]:
        """Area under the ROC curve of each resample, float64 [...]; NaN without a positive or without a negative.

        Source: Hanley, McNeil: The meaning and use of the area under a receiver operating characteristic (ROC) curve, 1982: the
        share of (positive, negative) pairs in the right order, a tie counts one half.
        """
        n_negatives = self.tied.sum(axis=-1) + self.gaps.sum(axis=-1)
        seen = np.cumsum(self.gaps[..., :-1] + self.tied, axis=-1)
        outranked = n_negatives[..., None] - seen + 0.5 * self.tied
        pairs = self.positives.sum(axis=-1) * n_negatives
        with np.errstate(invalid="ignore"):
            value: NDArray[np.float64] = (self.positives * outranked).sum(axis=-1) / pairs
        return value

    def enrichment(self, share: float) -> NDArray[np.float64]:
        """Enrichment factor of the best-ranked share of each resample, float64 [...]; NaN without a positive.

        The share of positives among the first `top_size` molecules over the share among all. Of molecules tied at the border,
        each counts with the probability that a random order of the ties puts it before the border.

        Args:
            share: Part of the ranking that is looked at, above 0, at most 1.

        Source: Truchon, Bayly: Evaluating virtual screening methods, J. Chem. Inf. Model. 47, 488 (2007).
        """
        members = self.positives + self.tied
        starts = np.cumsum(members + self.gaps[..., :-1], axis=-1) - members
        n_molecules = members.sum(axis=-1) + self.gaps.sum(axis=-1)
        top = np.maximum(np.ceil(share * n_molecules), 1)
        taken = np.clip((top[..., None] - starts) / np.maximum(members, 1), 0, 1)
        hits = (self.positives * taken).sum(axis=-1)
        with np.errstate(invalid="ignore"):
            value: NDArray[np.float64] = (hits / top) / (self.positives.sum(axis=-1) / n_molecules)
        return value


def top_size(n_molecules: int, share: float) -> int:
    """Number of molecules in the best-ranked share: at least 1, rounded up."""
    return max(1, int(np.ceil(share * n_molecules)))
