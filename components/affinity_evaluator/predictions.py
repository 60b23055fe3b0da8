"""Predictions of a model beside the labels, in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from belka import contract as dc


@dataclass(frozen=True)
class Predictions:
    """The content of predictions.parquet in ascending order of the molecules' ids.

    Attributes:
        ids: int64 [n], molecule ids.
        groups: int8 [n], split groups.
        labels: int8 [n, n_targets], label codes.
        probabilities: float32 [n, n_targets].
    """

    ids: NDArray[np.int64]
    groups: NDArray[np.int8]
    labels: NDArray[np.int8]
    probabilities: NDArray[np.float32]

    def where(self, kept: NDArray[np.bool_]) -> Self:
        """The molecules that are marked.

        Args:
            kept: bool [n].
        """
        return type(self)(self.ids[kept], self.groups[kept], self.labels[kept], self.probabilities[kept])

    def of_target(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.float32]]:
        """The molecules whose label of one target is known.

        Args:
            index: Position of the target.

        Returns:
            Their positions int64 [k], labels int8 [k] of 0 and 1, probabilities float32 [k].
        """
        rows = np.flatnonzero(known(self.labels[:, index]))
        return rows, self.labels[rows, index], self.probabilities[rows, index]


def read_predictions(predictions_file: Path, n_targets: int) -> Predictions:
    """Read what `score_examples` wrote.

    Args:
        predictions_file: predictions.parquet.
        n_targets: Number of targets.

    Returns:
        The predictions.
    """
    table = pq.read_table(predictions_file)
    labels, probabilities = (
        table[name].combine_chunks().flatten().to_numpy().reshape(-1, n_targets)
        for name in (dc.BINDS, dc.OUTPUT_PROBABILITIES)
    )
    ids = table[dc.MOLECULE_ID].to_numpy()
    order = np.argsort(ids, kind="stable")
    return Predictions(ids[order], table[dc.SPLIT_GROUP].to_numpy()[order], labels[order], probabilities[order])


def known(labels: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Mark the labels that count: an unknown one enters no metric.

    Args:
        labels: int8 [...] of label codes.

    Returns:
        bool [...].
    """
    return np.not_equal(labels, dc.LABEL_UNKNOWN)
