"""The usable rows of a parquet training file read straight into Arrow, several times faster than through SQL.

The rules of a row are those of `checks`, which stay the definition: this reader only leaves out the rows that break one. The merge
then counts and reports the rest by SQL, and fails if the two do not add up to the rows of the file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.data_contract import (
    LABEL_NEGATIVE,
    LABEL_POSITIVE,
    RAW_BLOCKS,
    RAW_ID,
    RAW_LABEL,
    RAW_PROTEIN,
    RAW_SMILES,
)
from components.parquet_merge.blocks import CODE_BITS, BlockTable
from components.parquet_merge.locate import TRAIN
from components.parquet_merge.raw_tables import RawTable

# Batches that fit into the processor's cache: those of 2^20 rows take three times the processor time.
BATCH_ROWS = 1 << 17
FIRST_PRINTABLE = "!"
_ABSENT = -1
_DICTIONARIES = [*RAW_BLOCKS, RAW_PROTEIN]


def can_read_directly(table: RawTable, *, has_repeated_ids: bool) -> bool:
    """Whether the rules of one row decide which rows of a file are usable, and its columns have the plain types.

    Args:
        table: The raw table.
        has_repeated_ids: Whether an id of the file may occur twice, which no rule of one row sees.

    Returns:
        Whether `TrainingReader` can read it.
    """
    if table.source != TRAIN or table.file.is_csv or has_repeated_ids:
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


@dataclass(frozen=True)
class TrainingReader:
    """Reads the training file.

    Attributes:
        table: The raw table; `can_read_directly` holds.
        targets: Names of the proteins, in the order of their codes.
        blocks: The building blocks.
    """

    table: RawTable
    targets: Sequence[str]
    blocks: BlockTable

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the raw columns, blocks and proteins as dictionaries.

        Yields:
            Batches in the order of the file.
        """
        columns = [*_DICTIONARIES, RAW_ID, RAW_SMILES, RAW_LABEL]
        with pq.ParquetFile(self.table.parquet_path, read_dictionary=_DICTIONARIES) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False)

    def usable_rows(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Leave out the rows that break a rule and code the others. May be called on several threads at once.

        Args:
            batch: A batch of `batches`.

        Returns:
            smiles string, triple int64 and bits int64, as `RecordLayout.select_sql` gives them.

        Raises:
            pyarrow.ArrowInvalid: If a SMILES is not UTF-8.
        """
        smiles = batch[RAW_SMILES]
        smiles.validate(full=True)
        smiles = smiles.cast(pa.string())
        ids, labels = _integers(batch[RAW_ID]), _integers(batch[RAW_LABEL])
        proteins = _codes(batch[RAW_PROTEIN], self.targets, shift=1)
        is_printable = pc.fill_null(pc.greater_equal(smiles, FIRST_PRINTABLE), fill_value=False)
        is_usable = is_printable.to_numpy(zero_copy_only=False) & (ids >= 0) & (proteins != 0)
        is_usable &= (labels == LABEL_NEGATIVE) | (labels == LABEL_POSITIVE)
        triple = np.zeros(len(batch), dtype=np.int64)
        for position, (name, is_needed) in enumerate(zip(RAW_BLOCKS, self.blocks.training_positions, strict=True)):
            codes = _codes(batch[name], self.blocks.smiles, shift=CODE_BITS * position)
            triple |= codes
            if is_needed:
                is_usable &= codes != 0
        # Two bits a protein, whose code starts at 1. Of an unusable row the place may be negative; the row is left out.
        bits = np.int64(1) << np.maximum(proteins - 2 + labels, 0)
        rows = pa.RecordBatch.from_arrays([smiles, pa.array(triple), pa.array(bits)], ["smiles", "triple", "bits"])
        return rows if is_usable.all() else rows.filter(pa.array(is_usable))


def _integers(column: pa.Array) -> npt.NDArray[np.int64]:
    """int64[n], -1 where a value is missing."""
    integers = column.cast(pa.int64())
    values: npt.NDArray[np.int64] = (pc.fill_null(integers, _ABSENT) if column.null_count else integers).to_numpy()
    return values


def _codes(column: pa.DictionaryArray, names: Sequence[str], *, shift: int) -> npt.NDArray[np.int64]:
    """Place of each value among the names, from 1, shifted to the left: int64[n]; 0 where it is missing or no name.

    Each distinct value is looked up once.
    """
    places = pc.index_in(column.dictionary.cast(pa.string()), value_set=pa.array(names, pa.string()))
    # A missing value has the index -1, which is the last entry.
    table: npt.NDArray[np.int64] = (np.append(_integers(places), _ABSENT) + 1) << shift
    indices: npt.NDArray[np.int32] = pc.fill_null(column.indices, _ABSENT).to_numpy()
    return table[indices]
