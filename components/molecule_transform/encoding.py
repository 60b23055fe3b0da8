"""Serialized tf.Examples of a batch of molecules."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.data_contract import (
    ABSENT_ID,
    BINDS,
    FEATURE_BINDS,
    FEATURE_ECFP,
    FEATURE_IDS,
    FEATURE_MOLECULE_ID,
    FEATURE_SPLIT_GROUP,
    FEATURE_TOKENS,
    IDS,
    MOLECULE_ID,
    SPLIT_GROUP,
)

# Columns of the molecules table that are copied into Examples.
COPIED_COLUMNS = (MOLECULE_ID, BINDS, IDS, SPLIT_GROUP)


class ExampleEncoder:
    """Writes molecules as tf.Examples with the features of the data contract."""

    def __init__(self) -> None:
        self._encoder = RecordBatchToExamplesEncoder()

    def encode(
        self,
        molecules: pa.RecordBatch,
        tokens: npt.NDArray[np.int64],
        row_splits: npt.NDArray[np.int64],
        fingerprints: npt.NDArray[np.uint8],
    ) -> Iterator[bytes]:
        """Serialize a batch.

        Args:
            molecules: n rows with at least `COPIED_COLUMNS`.
            tokens: int64 [n_tokens_of_all], the token ids one molecule after the other.
            row_splits: int64 [n + 1], where each molecule's tokens start in `tokens`.
            fingerprints: uint8 [n, n_bytes], packed bits.

        Yields:
            One serialized Example a molecule; the same bytes for the same values.
        """
        packed = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(fingerprints.shape[1]),
            len(fingerprints),
            [None, pa.py_buffer(np.ascontiguousarray(fingerprints))],
        )
        columns = {
            FEATURE_MOLECULE_ID: _single(molecules.column(MOLECULE_ID).cast(pa.int64())),
            FEATURE_TOKENS: pa.ListArray.from_arrays(pa.array(row_splits, pa.int32()), pa.array(tokens)),
            FEATURE_ECFP: _single(packed.cast(pa.binary())),
            FEATURE_BINDS: _int64_lists(molecules.column(BINDS)),
            FEATURE_IDS: _int64_lists(molecules.column(IDS)),
            FEATURE_SPLIT_GROUP: _single(molecules.column(SPLIT_GROUP).cast(pa.int64())),
        }
        batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
        for serialized in self._encoder.encode(batch):
            # The encoder writes the features in an order that differs from run to run.
            yield tf.train.Example.FromString(serialized).SerializeToString(deterministic=True)


def _single(values: pa.Array) -> pa.ListArray:
    """Make each value a list of one."""
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1), pa.int32()), values)


def _int64_lists(column: pa.FixedSizeListArray) -> pa.ListArray:
    """Turn fixed-size lists of integers [n, k] into lists of int64; a null is ABSENT_ID."""
    n_values = column.type.list_size
    values = pc.fill_null(column.flatten().cast(pa.int64()), ABSENT_ID)
    return pa.ListArray.from_arrays(pa.array(np.arange(len(column) + 1) * n_values, pa.int32()), values)
