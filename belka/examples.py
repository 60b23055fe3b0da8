"""Serialized tf.Examples of a batch of molecules."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.contract import (
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
from belka.wire_format import Piece, bytes_feature, int64_feature, serialize_examples

# Columns of the molecules table that are copied into Examples.
COPIED_COLUMNS = (MOLECULE_ID, BINDS, IDS, SPLIT_GROUP)


def encode_examples(
    molecules: pa.RecordBatch,
    tokens: npt.NDArray[np.int64],
    row_splits: npt.NDArray[np.int64],
    fingerprints: npt.NDArray[np.uint8],
) -> list[bytes]:
    """Serialize a batch as tf.Examples with the features of the data contract.

    Args:
        molecules: n rows with at least `COPIED_COLUMNS`.
        tokens: int64 [n_tokens_of_all], the token ids one molecule after the other.
        row_splits: int64 [n + 1], where each molecule's tokens start in `tokens`.
        fingerprints: uint8 [n, n_bytes], packed bits.

    Returns:
        One serialized Example a molecule; the same bytes for the same values.
    """
    features = {
        FEATURE_MOLECULE_ID: _single(molecules.column(MOLECULE_ID)),
        FEATURE_TOKENS: int64_feature(tokens, row_splits),
        FEATURE_ECFP: bytes_feature(fingerprints),
        FEATURE_BINDS: _lists(molecules.column(BINDS)),
        FEATURE_IDS: _lists(molecules.column(IDS)),
        FEATURE_SPLIT_GROUP: _single(molecules.column(SPLIT_GROUP)),
    }
    return serialize_examples(features, molecules.num_rows)


def _single(values: pa.Array) -> list[Piece]:
    """Make a feature of one integer a molecule."""
    return int64_feature(values.cast(pa.int64()).to_numpy(), np.arange(len(values) + 1))


def _lists(column: pa.FixedSizeListArray) -> list[Piece]:
    """Make a feature of lists of integers [n, k]; a null is ABSENT_ID."""
    values = pc.fill_null(column.flatten().cast(pa.int64()), ABSENT_ID)
    return int64_feature(values.to_numpy(), np.arange(len(column) + 1) * column.type.list_size)
