"""The merge's working record: what one raw row, or several neighbouring rows of one molecule, say about the molecule.

Labels are sets of bits, so that merging is a bitwise or and no label is lost on the way: bit 2t says that target t was
seen with label 0, bit 2t + 1 with label 1; the two bits above the targets hold the label of the extra data; the flag
bit, which the second stage sets, says that a block of the molecule is not shown by training (held out, or absent from
the training file).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.contract import LABEL_NEGATIVE, LABEL_POSITIVE, LABEL_UNKNOWN, Subset
from belka.raw_directory import EXTRA, TEST, TRAIN
from belka.settings import DataSettings

FLAG_BIT = 62
MAX_TARGETS = FLAG_BIT // 2 - 1

RUN_SCHEMA = pa.schema([("smiles", pa.string()), ("triple", pa.int64()), ("bits", pa.int64()), ("n_rows", pa.int64())])
RECORD_SCHEMA = pa.schema([("order_key", pa.uint64()), *RUN_SCHEMA])
TEST_SCHEMA = RECORD_SCHEMA.append(pa.field("protein_code", pa.int8())).append(pa.field("id", pa.int64()))
# What the third stage needs of a molecule. `row` is the place of its SMILES among the partition's records, train before
# extra; `bits` are label bits of its targets.
MERGED_FIELDS = (("row", pa.int64()), ("triple", pa.int64()), ("bits", pa.int64()), ("split_group", pa.int8()))

_LABEL_OF_BITS = np.array([LABEL_UNKNOWN, LABEL_NEGATIVE, LABEL_POSITIVE, LABEL_POSITIVE], dtype=np.int8)


def record_schema(source: str) -> pa.Schema:
    """The schema of a source's records: TEST_SCHEMA for `test`, else RECORD_SCHEMA."""
    return TEST_SCHEMA if source == TEST else RECORD_SCHEMA


def merged_schema(subset: Subset, n_targets: int) -> pa.Schema:
    """Schema of the second stage's tables of molecules; test molecules carry an id per target."""
    ids = [(f"id_{i}", pa.int64()) for i in range(n_targets)] if subset is Subset.TEST else []
    return pa.schema([*MERGED_FIELDS, *ids])


def label_bits_sql(source: str, data: DataSettings) -> str:
    """SQL of a row's label bits, BIGINT.

    Args:
        source: `train`, `test` or `extra`.
        data: Targets, and from which value on a label is positive.
    """
    return {
        TRAIN: f"1::BIGINT << (2 * protein_code::BIGINT + (label >= {data.positive_from})::BIGINT)",
        TEST: "0::BIGINT",
        EXTRA: f"1::BIGINT << ({2 * len(data.targets)} + (label > 0)::BIGINT)",
    }[source]


def join_runs(
    smiles: pa.Array, codes: Sequence[npt.NDArray[np.integer]], bits: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.intp], pa.Array, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Join neighbouring rows of one molecule; equality is that of the SMILES and all codes, never of a hash.

    Rows that say one label of the molecule more than once stay apart: so each label of a run stands for one row, and
    the rows behind conflicting labels can be counted.

    Args:
        smiles: SMILES, string or large_string [n].
        codes: Arrays of n codes, which are cheaper to compare than text.
        bits: Label bits, int64[n].

    Returns:
        Of each run its first row, its SMILES, all its label bits and its number of rows.
    """
    n = len(smiles)
    is_start = np.ones(n, dtype=np.bool_)
    if n > 1:
        is_start[1:] = np.logical_or.reduce([code[1:] != code[:-1] for code in codes])
        # A missing SMILES equals none, itself included.
        is_same = pc.fill_null(pc.equal(smiles.slice(1), smiles.slice(0, n - 1)), fill_value=False)
        is_start[1:] |= ~is_same.to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(is_start)
    if len(starts) == n:
        return starts, smiles, bits, np.ones(n, dtype=np.int64)
    n_rows, joined = np.diff(np.append(starts, n)), np.bitwise_or.reduceat(bits, starts)
    repeats = np.bitwise_count(joined) < n_rows
    if repeats.any():
        starts = np.flatnonzero(is_start | np.repeat(repeats, n_rows))
        n_rows, joined = np.diff(np.append(starts, n)), np.bitwise_or.reduceat(bits, starts)
    return starts, smiles.take(pa.array(starts)), joined, n_rows


def labels_of(bits: npt.NDArray[np.int64], n_targets: int) -> npt.NDArray[np.int8]:
    """Labels of the label bits, int8[n, n_targets] of 0, 1, 2: 1 wins over 0, no bit is unknown.

    Args:
        bits: int64[n], two bits per target.
        n_targets: Number of targets.
    """
    # Target by target: numpy takes a third of the time it needs for two dimensions at once.
    return np.stack([_LABEL_OF_BITS[(bits >> (2 * target)) & 3] for target in range(n_targets)], axis=1)


def tally_pairs(bits: npt.NDArray[np.int64], n_targets: int) -> npt.NDArray[np.int64]:
    """Count molecules by target and its two bits, int64[n_targets, 4]: 0 no label, 1 label 0, 2 label 1, 3 both.

    Each distinct set of bits, of which there are few, is looked at once.

    Args:
        bits: int64[n].
        n_targets: Number of targets.
    """
    distinct = pc.value_counts(pa.array(bits))
    values, number = (distinct.field(name).to_numpy(zero_copy_only=False) for name in ("values", "counts"))
    pairs = (values[:, None] >> (2 * np.arange(n_targets, dtype=np.int64))) & 3
    return np.stack([((pairs == value) * number[:, None]).sum(axis=0) for value in range(4)], axis=1)
