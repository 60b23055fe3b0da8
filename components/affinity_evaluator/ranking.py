"""Ranking metrics from counts, for one ranking or for many bootstrap resamples of it at once.

Between two positives the order of the negatives changes no metric, so a ranking is told by a few counts (cells) for
each distinct probability that a positive has. A resample gives every molecule a weight, how often it was drawn; its
cells are sums of weights, and need no sorting.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.int64]


@dataclass(frozen=True)
class RankedMolecules:
    """The cell of each molecule of one ranking.

    Attributes:
        cells: int32 [n]: positives of the tie groups first, then negatives tied with them, then negatives between them.
        n_groups: Number of tie groups; there are 3 * n_groups + 1 cells.
    """

    cells: NDArray[np.int32]
    n_groups: int

    @classmethod
    def from_predictions(
        cls, labels: NDArray[np.int8], probabilities: NDArray[np.float32], *, max_groups: int | None = None
    ) -> Self:
        """Find the cells; memory: about 30 bytes a molecule while it does, 4 after that.

        Args:
            labels: int8 [n] of 0 and 1, at least one 1.
            probabilities: float32 [n], finite.
            max_groups: Where positives have more distinct probabilities, each is put down to the next of so many that
                hold about equally many positives, and so are negatives; None = all are kept apart.
        """
        thresholds = np.unique(probabilities[labels == 1])
        if max_groups is not None and thresholds.size > max_groups:
            thresholds = np.unique(
                np.quantile(probabilities[labels == 1], np.linspace(0, 1, max_groups), method="lower")
            )
            places = np.searchsorted(thresholds, probabilities, side="right") - 1
            probabilities = np.where(places < 0, probabilities, thresholds[places])
        n_groups = thresholds.size
        lower = np.searchsorted(thresholds, probabilities, side="left")
        tied = np.searchsorted(thresholds, probabilities, side="right") > lower
        group = n_groups - 1 - lower
        cells = np.where(labels == 1, group, np.where(tied, n_groups + group, 2 * n_groups + n_groups - lower))
        return cls(cells.astype(np.int32), n_groups)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return 3 * self.n_groups + 1

    def count(self, weights: NDArray[np.float64] | None = None) -> Weights:
        """Sum the weights of the molecules in each cell, int64 [n_cells].

        Args:
            weights: float64 [n], how often each molecule counts; None = once.
        """
        return np.bincount(self.cells, weights, minlength=self.n_cells).astype(np.int64)

    def counted(self, counts: Weights) -> "RankedCells":
        """Name the cells of `counts`, int64 [..., n_cells]."""
        n = self.n_groups
        return RankedCells(counts[..., :n], counts[..., n : 2 * n], counts[..., 2 * n :])


@dataclass(frozen=True)
class RankedCells:
    """Molecules of a ranking counted by cell, in one or several resamples.

    A tie group is a distinct probability that at least one positive has; groups are in descending order of it.

    Attributes:
        positives: int64 [..., n_groups], positives of each tie group.
        tied: int64 [..., n_groups], negatives with exactly the probability of the group.
        gaps: int64 [..., n_groups + 1], negatives ranked between the group before and this one; the last: below all
            positives.
    """

    positives: Weights
    tied: Weights
    gaps: Weights

    @classmethod
    def from_predictions(cls, labels: NDArray[np.int8], probabilities: NDArray[np.float32]) -> "RankedCells":
        """Count one ranking, see `RankedMolecules.from_predictions`."""
        molecules = RankedMolecules.from_predictions(labels, probabilities)
        return molecules.counted(molecules.count())

    def average_precision(self) -> NDArray[np.float64]:
        """Average precision of each resample, float64 [...]; NaN without a positive.

        Source: scikit-learn, average_precision_score: the sum over thresholds of the gain in recall times the
            precision.
        """
        hits, precision = self._hits_and_precision()
        with np.errstate(invalid="ignore"):
            value: NDArray[np.float64] = (self.positives * precision).sum(axis=-1) / hits[..., -1]
        return value

    def precision_at(self, recalls: NDArray[np.float64]) -> NDArray[np.float64]:
        """Precision where each recall is first reached, float64 [..., n_recalls]; NaN without a positive.

        Args:
            recalls: float64 [n_recalls], above 0, at most 1.

        Source: scikit-learn, precision_recall_curve, whose thresholds these are.
        """
        hits, precision = self._hits_and_precision()
        flat_hits = hits.reshape(-1, hits.shape[-1])
        flat_precision = precision.reshape(flat_hits.shape)
        found = np.full((len(flat_hits), recalls.size), np.nan)
        for row, (reached, values) in enumerate(zip(flat_hits, flat_precision, strict=True)):
            if reached[-1]:
                # The tolerance keeps 0.3 * 10 from asking for a fourth hit.
                found[row] = values[np.searchsorted(reached, recalls * reached[-1] - 1e-9)]
        return found.reshape(*hits.shape[:-1], recalls.size)

    def roc_auc(self) -> NDArray[np.float64]:
        """Area under the ROC curve of each resample, float64 [...]; NaN without a positive or without a negative.

        Source: Hanley, McNeil: The meaning and use of the area under a receiver operating characteristic (ROC) curve,
        1982: the share of (positive, negative) pairs in the right order, a tie counts one half.
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

        The share of positives among the first `top_size` molecules over the share among all. Of molecules tied at the
        border, each counts with the probability that a random order of the ties puts it before the border.

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

    def _hits_and_precision(self) -> tuple[Weights, NDArray[np.float64]]:
        """Positives ranked down to each tie group, and the precision there."""
        hits = np.cumsum(self.positives, axis=-1)
        ranked = hits + np.cumsum(self.gaps[..., :-1] + self.tied, axis=-1)
        return hits, hits / np.maximum(ranked, 1)


def top_size(n_molecules: int, share: float) -> int:
    """Number of molecules in the best-ranked share: at least 1, rounded up."""
    return max(1, int(np.ceil(share * n_molecules)))
