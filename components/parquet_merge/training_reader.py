"""The usable rows of a parquet training file read straight into Arrow, several times faster than through SQL.

The rules of a row are those of `checks`, which stay the definition: this reader only leaves out the rows that break one. The merge
then counts and reports the rest by SQL, and fails if the two do not add up to the rows of the file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from belka.contract import (
    LABEL_NEGATIVE,
    LABEL_POSITIVE,
    RAW_BLOCKS,
    RAW_ID,
    RAW_LABEL,
    RAW_PROTEIN,
    RAW_SMILES,
)
from belka.raw_directory import TRAIN
from components.parquet_merge.blocks import CODE_BITS, BlockTable
from components.parquet_merge.raw_tables import RawTable
from components.parquet_merge.records import RUN_SCHEMA, join_runs, run_starts
from components.parquet_merge.repeated_ids import IdCheck

# Batches that fit into the processor's cache: those of 2^20 rows take three times the processor time.
BATCH_ROWS = 1 << 15
FIRST_PRINTABLE = "!"
_ABSENT = -1
_DICTIONARIES = [*RAW_BLOCKS, RAW_PROTEIN]
_N_LABELS = 2


def can_read_directly(table: RawTable, ids: IdCheck) -> bool:
    """Whether the rules of one row decide which rows of a file are usable, and its columns have the plain types.

    Args:
        table: The raw table.
        ids: What is known about its ids; no rule of one row sees whether one occurs twice.

    Returns:
        Whether `TrainingReader` can read it.
    """
    if table.source != TRAIN or table.file.is_csv or ids.may_repeat:
        return False
    schema = pq.read_schema(table.parquet_path)
    texts = [schema.field(name).type for name in (*RAW_BLOCKS, RAW_SMILES, RAW_PROTEIN)]
    row_id, label = schema.field(RAW_ID).type, schema.field(RAW_LABEL).type
    return (
        all(pa.types.is_string(text) or pa.types.is_large_string(text) for text in texts)
        and pa.types.is_integer(row_id)
        and row_id != pa.uint64()
        and pa.types.is_integer(label)
    )


class _Coding:
    """Codes of the names in a column's dictionary, looked up when the dictionary changes: once a row group."""

    def __init__(self, known: pa.Array) -> None:
        self._known = known
        # Replaced as a whole: several threads read and write it.
        self._last = (pa.array([], pa.string()), _codes(pa.array([], pa.string()), known))

    def codes(self, names: pa.Array) -> npt.NDArray[np.int64]:
        """Codes of names, int64[n + 1]: as `_codes` gives them."""
        last_names, codes = self._last
        if not names.equals(last_names):
            codes = _codes(names, self._known)
            self._last = names, codes
        return codes


@dataclass(frozen=True)
class TrainingReader:
    """Reads the training file.

    Attributes:
        table: The raw table; `can_read_directly` holds.
        targets: Names of the proteins, in the order of their codes.
        blocks: The building blocks.
        checks_ids: Whether some row may have no usable id; if not, ids are not read.
    """

    table: RawTable
    targets: Sequence[str]
    blocks: BlockTable
    checks_ids: bool

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the raw columns, blocks and proteins as dictionaries.

        Yields:
            Batches in the order of the file.
        """
        columns = [*_DICTIONARIES, RAW_SMILES, RAW_LABEL, *([RAW_ID] if self.checks_ids else [])]
        with pq.ParquetFile(self.table.parquet_path, read_dictionary=_DICTIONARIES) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False)

    def usable_runs(self, batch: pa.RecordBatch) -> pa.Table:
        """Leave out the rows that break a rule, code the others and join neighbours of one molecule.

        The rules about a molecule are applied to runs of rows with the same blocks and SMILES, of which the file of the competition has
        one to three rows: text is the expensive part. May be called on several threads at once.

        Args:
            batch: A batch of `batches`.

        Returns:
            Runs, as `RecordLayout.to_runs` gives them for the rows of `RecordLayout.select_sql`.

        Raises:
            pyarrow.ArrowInvalid: If a SMILES is not UTF-8.
        """
        places, names = _dictionary(batch[RAW_PROTEIN])
        labels = _integers(batch[RAW_LABEL])
        # Of a label other than 0 and 1 the last bit is taken; the row is left out.
        label_bits = _label_bits(self._targets.codes(names))[places * _N_LABELS + (labels & 1)]
        is_usable = (label_bits != 0) & ((labels == LABEL_NEGATIVE) | (labels == LABEL_POSITIVE))
        if self.checks_ids:
            is_usable &= _integers(batch[RAW_ID]) >= 0
        if not is_usable.all():
            batch, label_bits = batch.filter(pa.array(is_usable)), label_bits[is_usable]
        blocks = [_dictionary(batch[name]) for name in RAW_BLOCKS]
        starts = run_starts(batch[RAW_SMILES], [places for places, _ in blocks])
        runs = join_runs(batch[RAW_SMILES], label_bits, starts)
        return self._usable(runs, [(places[starts], names) for places, names in blocks])

    def _usable(self, runs: pa.Table, blocks: list[tuple[npt.NDArray[np.int32], pa.Array]]) -> pa.Table:
        """Add the coded triple, and leave out runs that break a rule about the molecule."""
        smiles = runs["smiles"].chunk(0)
        if not _is_ascii(smiles):
            smiles.validate(full=True)
        smiles = smiles.cast(pa.string())
        is_printable = pc.greater_equal(smiles, FIRST_PRINTABLE)
        if is_printable.null_count:
            is_printable = pc.fill_null(is_printable, fill_value=False)
        is_usable = is_printable.to_numpy(zero_copy_only=False)
        triple = np.zeros(len(smiles), dtype=np.int64)
        for position, (places, names) in enumerate(blocks):
            codes = self._blocks[position].codes(names)[places]
            triple |= codes << (CODE_BITS * position)
            if self.blocks.training_positions[position]:
                is_usable &= codes != 0
        runs = pa.Table.from_arrays([smiles, pa.array(triple), runs["bits"], runs["n_rows"]], schema=RUN_SCHEMA)
        return runs if is_usable.all() else runs.filter(pa.array(is_usable))

    @cached_property
    def _blocks(self) -> list[_Coding]:
        known = pa.array(self.blocks.smiles, pa.string())
        return [_Coding(known) for _ in RAW_BLOCKS]

    @cached_property
    def _targets(self) -> _Coding:
        return _Coding(pa.array(self.targets, pa.string()))


def _is_ascii(texts: pa.Array) -> bool:
    """Whether no byte is above 127, which takes a quarter of the time of a check of UTF-8; it may err on the side of no."""
    data = texts.buffers()[2]
    return data is None or not data.size or bool(np.frombuffer(data, np.int8).min() >= 0)


def _integers(column: pa.Array) -> npt.NDArray[np.int64]:
    """int64[n], -1 where a value is missing."""
    integers = column.cast(pa.int64())
    values: npt.NDArray[np.int64] = (pc.fill_null(integers, _ABSENT) if column.null_count else integers).to_numpy()
    return values


def _dictionary(column: pa.DictionaryArray) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """Places in the dictionary, int32[n], and the dictionary; a missing value has the place -1, the last entry of a table."""
    indices = pc.fill_null(column.indices, _ABSENT) if column.null_count else column.indices
    return indices.to_numpy(), column.dictionary.cast(pa.string())


def _codes(names: pa.Array, known: pa.Array) -> npt.NDArray[np.int64]:
    """Place of each name among the known ones, from 1; 0 where it is none of them, and in an entry at the end for a missing one."""
    return np.append(_integers(pc.index_in(names, value_set=known)), _ABSENT) + 1


def _label_bits(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64[2 (n + 1)]: label bits by 2 x place in the dictionary + label, 0 where the protein's code is 0: no target."""
    codes = codes[:, None]
    bits: npt.NDArray[np.int64] = np.int64(1) << (2 * np.maximum(codes - 1, 0) + np.arange(_N_LABELS))
    return np.where(codes == 0, 0, bits).ravel()
