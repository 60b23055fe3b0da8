"""Read and write tables of any length a few thousand rows at a time: CSV, TSV and parquet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from belka.errors import InputError

CHUNK_ROWS: Final = 8_192
# Looked for in this order, capitals or not, when no column is named.
SMILES_COLUMNS: Final = ("molecule_smiles", "smiles", "new_structure")

_DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
_PARQUET: Final = ".parquet"


@dataclass(frozen=True)
class InputTable:
    """A table to read.

    Attributes:
        path: The file.
        schema: Its columns; of a CSV file all are texts.
        smiles_column: The column with the SMILES.
    """

    path: Path
    schema: pa.Schema
    smiles_column: str


def table_format(path: Path) -> str:
    """The suffix that names the format; `.csv.gz` and `.tsv.gz` are read and written as what is before `.gz`.

    Raises:
        InputError: The suffix is none of .csv, .tsv, .parquet.
    """
    suffix = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    if suffix.lower() in (*_DELIMITERS, _PARQUET):
        return suffix.lower()
    raise InputError(
        "The file's name does not tell its format.",
        received=str(path),
        expected="a name that ends with .csv, .tsv, .csv.gz, .tsv.gz or .parquet",
        action="Rename the file.",
    )


def open_table(path: Path, column: str | None) -> InputTable:
    """Look at a table's header.

    Args:
        path: CSV, TSV or parquet.
        column: The column with the SMILES; None = find it.

    Raises:
        InputError: The file is missing, empty or no table, or has no such column.
    """
    if not path.is_file():
        raise InputError(
            "The input file does not exist.", received=str(path.absolute()), expected="a CSV or parquet file"
        )
    try:
        if table_format(path) == _PARQUET:
            schema = pq.read_schema(path).remove_metadata()
        else:
            with pc.open_csv(path, parse_options=_parse_options(path)) as reader:
                schema = pa.schema([pa.field(name, pa.string()) for name in reader.schema.names])
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error
    names = schema.names
    if len(set(names)) != len(names):
        raise InputError(
            "Two columns have one name.", received=f"{path}: {', '.join(names)}", expected="distinct names"
        )
    return InputTable(path, schema, _smiles_column(path, names, column))


def read_chunks(table: InputTable) -> Iterator[pa.RecordBatch]:
    """Read a table in order.

    Args:
        table: From `open_table`.

    Yields:
        At most `CHUNK_ROWS` rows at a time. Cells of a CSV file are texts exactly as they stand there.

    Raises:
        InputError: The table is damaged, or its SMILES are no texts.
    """
    try:
        for batch in _batches(table):
            for start in range(0, batch.num_rows, CHUNK_ROWS):
                yield batch.slice(start, CHUNK_ROWS)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(table.path, error) from error


def smiles_of(batch: pa.RecordBatch, table: InputTable) -> list[str | None]:
    """The SMILES of a batch as given.

    Raises:
        InputError: The column holds something else than text.
    """
    column = batch.column(table.smiles_column)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
        raise InputError(
            "The SMILES are no texts.",
            received=f"{table.path}: column {table.smiles_column} of type {column.type}",
            expected="a column of strings",
            action="Name another column with --column.",
        )
    texts: list[str | None] = column.to_pylist()
    return texts


def open_writer(temporary: Path, target: Path, schema: pa.Schema) -> Any:
    """Open a table to write.

    Args:
        temporary: Where to write.
        target: Its final name, which tells the format.
        schema: Its columns.

    Returns:
        A context manager with `write_batch`: pyarrow's ParquetWriter or CSVWriter.

    Raises:
        InputError: CSV cannot hold a column.
    """
    kind = table_format(target)
    if kind == _PARQUET:
        return pq.ParquetWriter(temporary, schema)
    nested = [field.name for field in schema if pa.types.is_nested(field.type)]
    if nested:
        raise InputError(
            "CSV cannot hold lists.",
            received=f"the input's columns {', '.join(nested)}",
            expected="plain values",
            action="Write a .parquet file.",
        )
    options = pc.WriteOptions(delimiter=_DELIMITERS[kind])
    sink = pa.CompressedOutputStream(str(temporary), "gzip") if target.suffix == ".gz" else str(temporary)
    return pc.CSVWriter(sink, schema, write_options=options)


def _batches(table: InputTable) -> Iterator[pa.RecordBatch]:
    if table_format(table.path) == _PARQUET:
        with pq.ParquetFile(table.path) as file:
            yield from file.iter_batches(batch_size=CHUNK_ROWS)
        return
    convert = pc.ConvertOptions(column_types=dict.fromkeys(table.schema.names, pa.string()), strings_can_be_null=False)
    # An empty line is a row where it can be one: an empty cell of the only column.
    parse = _parse_options(table.path, ignore_empty_lines=len(table.schema) > 1)
    with pc.open_csv(table.path, parse_options=parse, convert_options=convert) as reader:
        yield from reader


def _parse_options(path: Path, *, ignore_empty_lines: bool = True) -> pc.ParseOptions:
    delimiter = _DELIMITERS[table_format(path)]
    return pc.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=ignore_empty_lines)


def _smiles_column(path: Path, names: Sequence[str], column: str | None) -> str:
    wanted = SMILES_COLUMNS if column is None else (column,)
    for candidate in wanted:
        for name in names:
            if name == candidate or (column is None and name.lower() == candidate):
                return name
    raise InputError(
        "There is no column with SMILES.",
        received=f"{path} with the columns {', '.join(names)}",
        expected=f"a column {' or '.join(wanted)}",
        action="Name the column with --column.",
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        "The input file cannot be read.",
        received=f"{path}: {str(error).splitlines()[0][:500]}",
        expected="a whole table with a header, UTF-8, the same number of cells in every row",
        action="Mend the file; nothing was written.",
    )
