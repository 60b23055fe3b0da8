"""The merge's working record: what one raw row, or several neighbouring rows of one molecule, say about the molecule.

Labels are sets of bits, so that merging is a bitwise or and no label is lost on the way: bit 2t says that target t was seen with
label 0, bit 2t + 1 with label 1; the two bits above the targets hold the label of the extra data; the flag bit says that a block of
the molecule is not shown by training (held out, or absent from the training file).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.contract import LABEL_NEGATIVE, LABEL_POSITIVE, LABEL_UNKNOWN
from belka.errors import InputError
from belka.raw_directory import EXTRA, TEST, TRAIN
from components.parquet_merge.blocks import CODE_BITS, N_POSITIONS, BlockTable

FLAG_BIT = 62
MAX_TARGETS = FLAG_BIT // 2 - 1

RUN_SCHEMA = pa.schema([("smiles", pa.string()), ("triple", pa.int64()), ("bits", pa.int64()), ("n_rows", pa.int64())])
RECORD_SCHEMA = pa.schema([("order_key", pa.uint64()), *RUN_SCHEMA])
TEST_SCHEMA = RECORD_SCHEMA.append(pa.field("protein_code", pa.int8())).append(pa.field("id", pa.int64()))

_LABEL_OF_BITS = np.array([LABEL_UNKNOWN, LABEL_NEGATIVE, LABEL_POSITIVE, LABEL_POSITIVE], dtype=np.int8)


@dataclass(frozen=True)
class RecordLayout:
    """How records of this run are made.

    Attributes:
        engine: DuckDB connection, whose hash of a SMILES is the order key.
        seed: Seed of the order of molecules.
        n_targets: Number of proteins.
        blocks: The building blocks.
    """

    engine: Any
    seed: int
    n_targets: int
    blocks: BlockTable

    def select_sql(self, source: str) -> str:
        """SQL of the usable rows of a source: smiles, triple, bits, for test also protein_code and id.

        Args:
            source: `train`, `test` or `extra`.

        Returns:
            A SELECT statement over `<source>_checked`; its columns are cast to the record's types by `to_records`.
        """
        label_bit = {
            TRAIN: "1::BIGINT << (2 * protein_code::BIGINT + label::BIGINT)",
            TEST: "0::BIGINT",
            EXTRA: f"1::BIGINT << ({2 * self.n_targets} + (label > 0)::BIGINT)",
        }[source]
        codes = [f"coalesce(enum_code(block{i + 1}::block)::BIGINT + 1, 0)" for i in range(N_POSITIONS)]
        triple = " | ".join(f"({code} << {CODE_BITS * i})" for i, code in enumerate(codes))
        columns = ["smiles", f"{'0::BIGINT' if source == EXTRA else triple} AS triple", f"{label_bit} AS bits"]
        if source == TEST:
            columns += ["protein_code", "id"]
        return f"SELECT {', '.join(columns)} FROM {source}_checked WHERE reason IS NULL"  # noqa: S608 - names of ours

    def to_runs(self, rows: pa.RecordBatch, source: str) -> pa.Table:
        """Join neighbouring training rows of one molecule.

        Args:
            rows: Rows with the columns of `select_sql`.
            source: `train`, `test` or `extra`.

        Returns:
            Runs: RUN_SCHEMA, for test with one row each and also protein_code and id.
        """
        smiles, triple, bits = rows["smiles"], _numpy(rows["triple"]), _numpy(rows["bits"])
        starts = np.arange(len(smiles)) if source == TEST else run_starts(smiles, [triple])
        runs = join_runs(smiles, bits, starts).add_column(1, "triple", pa.array(triple[starts]))
        if source == TEST:
            runs = runs.append_column("protein_code", rows["protein_code"].cast(pa.int8())).append_column(
                "id", rows["id"]
            )
        return runs

    def to_records(self, runs: pa.Table, source: str) -> pa.Table:
        """Turn runs into records: the order key is added, and the flag bit.

        May be called on several threads at once.

        Args:
            runs: What `to_runs` gives.
            source: `train`, `test` or `extra`.

        Returns:
            Records, with RECORD_SCHEMA or TEST_SCHEMA.
        """
        triple = _numpy(runs["triple"])
        bits = _numpy(runs["bits"]) | (self._flag(triple, source) << FLAG_BIT)
        runs = runs.set_column(runs.schema.get_field_index("bits"), "bits", pa.array(bits))
        return runs.add_column(0, "order_key", self._order_keys(runs["smiles"])).cast(record_schema(source))

    def _order_keys(self, smiles: pa.ChunkedArray) -> pa.ChunkedArray:
        # A cursor of its own: threads must not share a connection.
        with self.engine.cursor() as cursor:
            cursor.register("texts", pa.table({"smiles": smiles}))
            return cursor.sql(f"SELECT hash(smiles, {self.seed}::BIGINT) AS key FROM texts").to_arrow_table()["key"]  # noqa: S608 - a number

    def _flag(self, triple: npt.NDArray[np.int64], source: str) -> npt.NDArray[np.int64]:
        """1 where a block is held out (train) or not shown by the training file (test), else 0."""
        if source == EXTRA:
            return np.zeros(len(triple), dtype=np.int64)
        lookup = self.blocks.in_validation if source == TRAIN else ~self.blocks.in_training
        flag = np.zeros(len(triple), dtype=np.int64)
        for codes, used in zip(block_codes(triple), self.blocks.training_positions, strict=True):
            # A test molecule without a block where the training library has one is not of that library.
            absent = source == TEST and used
            flag |= np.concatenate(([absent], lookup))[codes]
        return flag


def block_codes(triple: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Split coded triples: block id + 1 by position, 0 = no block.

    Args:
        triple: int64[n].

    Returns:
        int64[n] of each of the three positions.
    """
    return [(triple >> (CODE_BITS * position)) & ((1 << CODE_BITS) - 1) for position in range(N_POSITIONS)]


def labels_of(bits: npt.NDArray[np.int64], n_targets: int) -> npt.NDArray[np.int8]:
    """Labels of the label bits: 1 wins over 0, no bit is unknown.

    Args:
        bits: int64[n], two bits a target.
        n_targets: Number of targets.

    Returns:
        int8[n, n_targets] of 0, 1, 2.
    """
    # Target by target: numpy takes a third of the time it needs for two dimensions at once.
    return np.stack([_LABEL_OF_BITS[(bits >> (2 * target)) & 3] for target in range(n_targets)], axis=1)


def pair_bits(bits: npt.NDArray[np.int64], n_targets: int) -> npt.NDArray[np.int64]:
    """The two bits of each target: 0 no label, 1 label 0, 2 label 1, 3 both.

    Args:
        bits: int64[n].
        n_targets: Number of targets.

    Returns:
        int64[n, n_targets].
    """
    return (bits[:, None] >> (2 * np.arange(n_targets, dtype=np.int64))) & 3


def tally_pairs(bits: npt.NDArray[np.int64], n_targets: int) -> npt.NDArray[np.int64]:
    """Count molecules by target and pair bits; each distinct set of bits, of which there are few, is looked at once.

    Args:
        bits: int64[n].
        n_targets: Number of targets.

    Returns:
        int64[n_targets, 4].
    """
    distinct = pc.value_counts(pa.array(bits))
    pairs, number = pair_bits(_numpy(distinct.field("values")), n_targets), _numpy(distinct.field("counts"))
    return np.stack([((pairs == value) * number[:, None]).sum(axis=0) for value in range(4)], axis=1)


def record_schema(source: str) -> pa.Schema:
    """The schema of a source's records.

    Args:
        source: `train`, `test` or `extra`.

    Returns:
        TEST_SCHEMA for `test`, else RECORD_SCHEMA.
    """
    return TEST_SCHEMA if source == TEST else RECORD_SCHEMA


def run_starts(smiles: pa.Array, codes: Sequence[npt.NDArray[np.integer]]) -> npt.NDArray[np.intp]:
    """Find the first row of each run of equal molecules; equality is that of the SMILES and all codes, never of a hash.

    Args:
        smiles: SMILES, string or large_string [n].
        codes: Arrays of n codes, which are cheaper to compare than text.

    Returns:
        intp[n_runs], ascending.
    """
    n = len(smiles)
    if n == 0:
        return np.zeros(0, dtype=np.intp)
    is_start = np.zeros(n, dtype=np.bool_)
    is_start[0] = True
    for code in codes:
        is_start[1:] |= code[1:] != code[:-1]
    if not is_start.all():
        is_same = pc.equal(smiles.slice(1), smiles.slice(0, n - 1))
        # A missing SMILES equals none, itself included.
        is_start[1:] |= ~_numpy(pc.fill_null(is_same, fill_value=False) if is_same.null_count else is_same)
    return np.flatnonzero(is_start)


def join_runs(smiles: pa.Array, bits: npt.NDArray[np.int64], starts: npt.NDArray[np.intp]) -> pa.Table:
    """Make one row of each run: its SMILES, all its label bits and its number of rows.

    Args:
        smiles: SMILES [n].
        bits: int64[n].
        starts: First row of each run, ascending from 0.

    Returns:
        smiles, bits int64 and n_rows int64.
    """
    n_rows = np.diff(np.append(starts, len(smiles)))
    if len(starts) < len(smiles):
        smiles, bits = smiles.take(pa.array(starts)), np.bitwise_or.reduceat(bits, starts)
    return pa.table({"smiles": smiles, "bits": pa.array(bits), "n_rows": pa.array(n_rows)})


def _numpy(array: Any) -> Any:
    return array.to_numpy(zero_copy_only=False)


def check_targets(targets: Sequence[str]) -> None:
    """Check the list of proteins.

    Args:
        targets: Names.

    Raises:
        InputError: If the list is empty, repeats a name, or is too long for the label bits.
    """
    if not targets or len(set(targets)) < len(targets) or len(targets) > MAX_TARGETS or not all(targets):
        raise InputError(
            "The list of targets cannot be used.",
            received=", ".join(targets) or "no target",
            expected=f"1 to {MAX_TARGETS} different protein names",
            action="Correct data.targets.",
        )
