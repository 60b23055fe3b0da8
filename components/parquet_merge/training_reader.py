"""The usable rows of a parquet training file read straight into Arrow, in half the processor time that SQL needs.

The rules are those of `row_rules`; this reader only leaves out the rows that break one. The merge then counts and
reports the rest by SQL, and fails if the two do not add up to the rows of the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from belka.chemistry.smiles_column import usable_smiles
from belka.contract import RAW_BLOCKS, RAW_ID, RAW_LABEL, RAW_PROTEIN, RAW_SMILES
from belka.raw_columns import BLOCKS
from belka.raw_directory import TRAIN
from belka.raw_table import RawTable
from belka.settings import DataSettings
from components.parquet_merge.blocks import CODE_BITS, BlockTexts
from components.parquet_merge.record_format import RUN_SCHEMA, join_runs
from components.parquet_merge.row_rules import row_rules

# Batches that fit into the processor's cache: those of 2^20 rows take three times the processor time.
BATCH_ROWS = 1 << 15
GROUP_ROWS = 1 << 18
_ABSENT = -1
_DICTIONARIES = [*RAW_BLOCKS, RAW_PROTEIN]
# Our name of a column -> its name in the batches, whatever the file calls it.
_THEIRS = {
    **dict(zip(BLOCKS, RAW_BLOCKS, strict=True)),
    "smiles": RAW_SMILES,
    "protein": RAW_PROTEIN,
    "label": RAW_LABEL,
    "id": RAW_ID,
}


def can_read_directly(table: RawTable) -> bool:
    """Whether a table is training data in parquet whose files have all columns, in the plain types and encodings."""
    names = table.columns.names
    if table.file.source != TRAIN or table.file.is_text or table.columns.is_wide or set(_THEIRS) - set(names):
        return False
    return all(_is_plain(path, names) for path in table.file.files)


def _is_plain(path: Path, names: Mapping[str, str]) -> bool:
    schema, metadata = pq.read_schema(path), pq.read_metadata(path)
    # What stands in the name of a folder is no column, and a name with a dot is a path to Arrow's reader.
    if any(names[ours] not in schema.names or "." in names[ours] for ours in _THEIRS):
        return False
    texts = [schema.field(names[ours]).type for ours in (*BLOCKS, "smiles", "protein")]
    integers = [schema.field(names[ours]).type for ours in ("id", "label")]
    if not all(pa.types.is_string(text) or pa.types.is_large_string(text) for text in texts):
        return False
    if not all(pa.types.is_integer(integer) and integer != pa.uint64() for integer in integers):
        return False
    read = {names[ours] for ours in _THEIRS}
    return not any(
        "DELTA" in encoding
        for group in range(metadata.num_row_groups)
        for i in range(metadata.num_columns)
        if (column := metadata.row_group(group).column(i)).path_in_schema in read
        for encoding in column.encodings
    )


class _Coding:
    """Places of the names in a column's dictionary among the known ones, looked up when the dictionary changes."""

    def __init__(self, known: Sequence[str]) -> None:
        self._known = pa.array(known, pa.string())
        # Replaced as a whole: several threads read and write it.
        self._last: tuple[pa.Array, npt.NDArray[np.int64]] | None = None

    def places(self, dictionary: pa.Array, indices: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Place of each value, int64[n]; -1 where it is missing or unknown."""
        names, last = dictionary.cast(pa.string()), self._last
        if last is None or not names.equals(last[0]):
            # The last entry is that of a missing value.
            last = self._last = names, np.append(_integers(pc.index_in(names, value_set=self._known)), _ABSENT)
        return last[1][indices]


@dataclass(frozen=True)
class TrainingReader:
    """Reads the training file.

    Attributes:
        table: The raw table; `can_read_directly` holds, and the rules about one row decide.
        data: Names of the proteins, in the order of their codes, and what the labels are.
        blocks: The texts of building blocks.
        checks_ids: Whether some row may have no usable id; if not, ids are not read.
        names_cut: Receives the numbers of usable rows whose text held more than the SMILES.
    """

    table: RawTable
    data: DataSettings
    blocks: BlockTexts
    checks_ids: bool
    names_cut: list[int] = field(default_factory=list)

    def groups(self) -> Iterator[list[pa.RecordBatch]]:
        """Read the raw columns, blocks and proteins as dictionaries.

        Yields:
            Batches in the order of the file, as many at a time as are hashed and written together.
        """
        group: list[pa.RecordBatch] = []
        names = self.table.columns.names
        theirs = {names[ours]: name for ours, name in _THEIRS.items() if ours != "id" or self.checks_ids}
        dictionaries = [name for name, ours in theirs.items() if ours in _DICTIONARIES]
        for path in self.table.file.files:
            # Buffered ahead, the bytes of all row groups read so far stay in memory.
            with pq.ParquetFile(path, read_dictionary=dictionaries, pre_buffer=False) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=list(theirs), use_threads=False):
                    group.append(batch.rename_columns(theirs))
                    if sum(each.num_rows for each in group) >= GROUP_ROWS:
                        yield group
                        group = []
        if group:
            yield group

    def usable_runs(self, batch: pa.RecordBatch) -> pa.Table:
        """Leave out the rows that break a rule, code the others and join neighbours of one molecule to RUN_SCHEMA.

        The rules about a molecule are applied to runs of rows with the same blocks and SMILES, of which the file of the
        competition has one to three rows: text is the expensive part. May be called on several threads at once.

        Args:
            batch: One of `groups`.

        Raises:
            pyarrow.ArrowInvalid: If a SMILES is not UTF-8.
        """
        protein = self._targets.places(batch[RAW_PROTEIN].dictionary, _indices(batch[RAW_PROTEIN]))
        is_unknown = protein < 0
        row_columns = {
            "label": batch[RAW_LABEL],
            "protein_code": pa.array(protein, mask=is_unknown if is_unknown.any() else None),
        }
        if self.checks_ids:
            row_columns["id"] = batch[RAW_ID]
        is_usable = self._keep_rules(row_columns)
        if not is_usable.all():
            batch, protein = batch.filter(pa.array(is_usable)), protein[is_usable]
        bits = np.int64(1) << (2 * protein + (_integers(batch[RAW_LABEL]) >= self.data.positive_from))
        # Places in the dictionaries tell neighbours apart as the texts do, at less cost.
        indices = [_indices(batch[name]) for name in RAW_BLOCKS]
        starts, smiles, bits, n_rows = join_runs(batch[RAW_SMILES], indices, bits)
        smiles, has_smiles, is_cut = usable_smiles(smiles)
        columns, triple = {}, np.zeros(len(starts), dtype=np.int64)
        for position, name in enumerate(RAW_BLOCKS):
            code = self._blocks[position].places(batch[name].dictionary, indices[position][starts]) + 1
            triple |= code << (CODE_BITS * position)
            columns[f"code{position + 1}"] = pa.array(code)
        is_usable = has_smiles & self._keep_rules(columns)
        if is_cut.any():
            self.names_cut.append(int(n_rows[is_cut & is_usable].sum()))
        runs = pa.Table.from_arrays([smiles, *map(pa.array, (triple, bits, n_rows))], schema=RUN_SCHEMA)
        return runs if is_usable.all() else runs.filter(pa.array(is_usable))

    def _keep_rules(self, columns: Mapping[str, pa.Array]) -> npt.NDArray[np.bool_]:
        """Which rows keep all rules about the columns given."""
        rules = [rule for rule in row_rules(TRAIN, self.blocks, self.data) if set(rule.columns) <= set(columns)]
        kept = np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
        for rule in rules:
            kept &= rule.kept(columns)
        return kept

    @cached_property
    def _blocks(self) -> list[_Coding]:
        return [_Coding(self.blocks.texts) for _ in RAW_BLOCKS]

    @cached_property
    def _targets(self) -> _Coding:
        return _Coding(self.data.targets)


def _integers(column: pa.Array) -> npt.NDArray[np.int64]:
    """int64[n], -1 where a value is missing."""
    integers = column.cast(pa.int64())
    values: npt.NDArray[np.int64] = (pc.fill_null(integers, _ABSENT) if column.null_count else integers).to_numpy()
    return values


def _indices(column: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """Places in the dictionary, int32[n]; -1 where a value is missing."""
    indices = pc.fill_null(column.indices, _ABSENT) if column.null_count else column.indices
    places: npt.NDArray[np.int32] = indices.to_numpy()
    return places
