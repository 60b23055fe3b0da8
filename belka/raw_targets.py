"""The targets of a library, found in its training table where nobody names them."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from belka.contract import DEFAULT_TARGETS
from belka.delimited import open_text_table, read_text_table
from belka.errors import InputError
from belka.raw_columns import BLOCKS, find_name
from belka.raw_directory import TRAIN, RawFile, locate_raw_files
from belka.raw_table import partition_values
from belka.settings import TARGET_PATTERN, DataSettings

# A column beside those that are named is one of labels where it holds nothing else.
MIN_SHARE: Final = 0.01
LABELS: Final = frozenset({"", "0", "1", "0.0", "1.0", "true", "false"})


def find_targets(raw_dir: Path, data: DataSettings) -> tuple[str, ...]:
    """Find the names of proteins, or the columns of labels, in the training table.

    A protein that less than 1% of the rows name is none. Where the first rows name targets of the competition only, the
    targets are the competition's: the rest is not read.

    Args:
        raw_dir: Folder of the raw files.
        data: Names of files and columns.

    Returns:
        Names of proteins, sorted; or names of columns, in their order; the default where there are neither.

    Raises:
        InputError: The table is missing or cannot be read, or a name holds characters that no target may have.
    """
    file = next(file for file in locate_raw_files(raw_dir, data, use_extra_data=False) if file.source == TRAIN)
    partitions = partition_values(file)
    names = [*_names(file.files[0]), *partitions]
    protein = find_name(file, names, data.columns.protein)
    if protein in partitions:
        found = sorted({value for value in partitions[protein] if value})
    elif protein is not None:
        found = _proteins(file, protein)
    else:
        columns = data.columns
        named = [columns.id, columns.smiles, columns.label, *(getattr(columns, block) for block in BLOCKS)]
        others = set(names) - {find_name(file, names, name) for name in named}
        found = _label_columns(file, [name for name in names if name in others])
    for name in found:
        if not re.fullmatch(TARGET_PATTERN, name):
            raise InputError(
                "The name of a target holds characters that targets may not have.",
                received=f"{name!r} in {file.path}",
                expected="letters, digits, dots, hyphens and underscores",
                action="Rename it in the raw files.",
            )
    return tuple(found) or DEFAULT_TARGETS


def _proteins(file: RawFile, column: str) -> list[str]:
    counts: Counter[str] = Counter()
    for table in _tables(file, [column]):
        found = pc.value_counts(pc.cast(table[column], pa.string()))
        texts, numbers = (found.field(i).to_pylist() for i in range(2))
        counts.update({text: number for text, number in zip(texts, numbers, strict=True) if text})
        # A name that hardly any row has is a slip of the pen.
        frequent = {name for name, number in counts.items() if number >= MIN_SHARE * counts.total()}
        if frequent <= set(DEFAULT_TARGETS):
            return list(DEFAULT_TARGETS)
    return sorted(frequent) if counts else []


def _label_columns(file: RawFile, candidates: list[str]) -> list[str]:
    for table in _tables(file, candidates):
        candidates = [name for name in candidates if {value.lower() for value in _texts(table[name])} <= LABELS]
        if not candidates:
            break
    return candidates


def _texts(column: pa.Array) -> list[str]:
    """The distinct values of a column as text; nested ones have none, and are told by an odd one."""
    if pa.types.is_nested(column.type):
        return ["nested"]
    distinct = pc.unique(column).drop_null()
    if pa.types.is_dictionary(distinct.type):
        distinct = distinct.dictionary_decode()
    texts: list[str] = pc.cast(distinct, pa.string()).to_pylist()
    return texts


def _names(path: Path) -> list[str]:
    file = RawFile(TRAIN, path)
    return list(open_text_table(path).header) if file.is_text else list(pq.read_schema(path).names)


def _tables(file: RawFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of all files, a batch at a time."""
    for path in file.files:
        if file.is_text:
            table = open_text_table(path)
            places = [str(table.header.index(name)) for name in columns]
            for batch in read_text_table(table):
                yield batch.select(places).rename_columns(columns)
        else:
            with pq.ParquetFile(path) as parquet:
                for batch in parquet.iter_batches(1 << 18, columns=columns):
                    yield batch
