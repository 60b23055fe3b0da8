"""Predictions of a model beside the labels: predictions.parquet, its writer and its reader."""

from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from belka.contract import BINDS, LABEL_UNKNOWN, MOLECULE_ID, OUTPUT_PROBABILITIES, SPLIT_GROUP
from belka.errors import BelkaError
from belka.files import atomic_path

_ROWS_PER_GROUP: Final = 131_072


def predictions_schema(n_targets: int) -> pa.Schema:
    """The columns of predictions.parquet; binds, int8 (2 = unknown), and probabilities, float32, are per target."""
    fields: list[pa.Field[Any]] = [
        pa.field(MOLECULE_ID, pa.int64()),
        pa.field(SPLIT_GROUP, pa.int8()),
        pa.field(BINDS, pa.list_(pa.int8(), n_targets)),
        pa.field(OUTPUT_PROBABILITIES, pa.list_(pa.float32(), n_targets)),
    ]
    return pa.schema(fields)


class PredictionsWriter:
    """Writes predictions.parquet; the file appears whole when the `with` block ends without an error, or not at all.

    Args:
        path: The file.
        n_targets: Number of targets.
    """

    def __init__(self, path: Path, n_targets: int) -> None:
        self._path, self._n_targets = path, n_targets
        self._schema = predictions_schema(n_targets)
        self._waiting: list[pa.RecordBatch] = []
        self._stack = ExitStack()
        self.n_rows = 0

    def __enter__(self) -> Self:
        temporary = self._stack.enter_context(atomic_path(self._path))
        self._writer = self._stack.enter_context(pq.ParquetWriter(temporary, self._schema))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._stack.__exit__(kind, error, trace)

    def write(
        self,
        molecule_ids: NDArray[np.int64],
        split_groups: NDArray[np.int8],
        labels: NDArray[np.int8],
        probabilities: NDArray[np.float32],
    ) -> None:
        """Add molecules.

        Args:
            molecule_ids: int64 [n].
            split_groups: int8 [n].
            labels: int8 [n * n_targets], one molecule after the other.
            probabilities: float32 [n, n_targets].

        Raises:
            BelkaError: The probabilities have another shape.
        """
        expected = (molecule_ids.size, self._n_targets)
        if probabilities.shape != expected:
            raise BelkaError(
                "The model predicts for another number of targets.",
                received=f"probabilities of shape {probabilities.shape}",
                expected=f"shape {expected}: molecules x targets",
                action="Train the model again with the same data.targets.",
            )
        arrays: list[pa.Array[Any]] = [
            pa.array(molecule_ids),
            pa.array(split_groups),
            pa.FixedSizeListArray.from_arrays(pa.array(labels), self._n_targets),
            pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), self._n_targets),
        ]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self.n_rows += molecule_ids.size
        if sum(batch.num_rows for batch in self._waiting) >= _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_batches(self._waiting, schema=self._schema))
        self._waiting.clear()


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
        """The molecules that `kept`, bool [n], marks."""
        return type(self)(self.ids[kept], self.groups[kept], self.labels[kept], self.probabilities[kept])

    def of_target(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.float32]]:
        """The molecules whose label of the target at position `index` is known.

        Returns:
            Their positions int64 [k], labels int8 [k] of 0 and 1, probabilities float32 [k].
        """
        rows = np.flatnonzero(known(self.labels[:, index]))
        return rows, self.labels[rows, index], self.probabilities[rows, index]


def read_predictions(predictions_file: Path, n_targets: int) -> Predictions:
    """Read what `score_examples` wrote; memory with three targets: 24 bytes a molecule, 56 while it is sorted.

    Args:
        predictions_file: predictions.parquet.
        n_targets: Number of targets.
    """
    with pq.ParquetFile(predictions_file, pre_buffer=False) as file:
        n, filled = file.metadata.num_rows, 0
        ids, groups = np.empty(n, np.int64), np.empty(n, np.int8)
        labels, probabilities = np.empty((n, n_targets), np.int8), np.empty((n, n_targets), np.float32)
        for batch in file.iter_batches(_ROWS_PER_GROUP):
            rows = slice(filled, filled + batch.num_rows)
            ids[rows], groups[rows] = (batch.column(name).to_numpy() for name in (MOLECULE_ID, SPLIT_GROUP))
            labels[rows], probabilities[rows] = (
                batch.column(name).flatten().to_numpy().reshape(-1, n_targets) for name in (BINDS, OUTPUT_PROBABILITIES)
            )
            filled += batch.num_rows
    predictions = Predictions(ids, groups, labels, probabilities)
    if (ids[1:] > ids[:-1]).all():
        return predictions
    order = np.argsort(ids, kind="stable")
    return Predictions(*(getattr(predictions, field.name)[order] for field in fields(predictions)))


def known(labels: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Mark the label codes that count, bool [...]: an unknown one enters no metric."""
    return np.not_equal(labels, LABEL_UNKNOWN)
