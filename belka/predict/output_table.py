"""Write a table of any length a few thousand rows at a time: CSV, TSV and parquet."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from belka.errors import InputError
from belka.files import atomic_path
from belka.texts import for_spreadsheet, names_for_spreadsheet

_DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
_CODECS: Final = {".gz": "gzip", ".zst": "zstd"}
_PARQUET: Final = ".parquet"


@contextmanager
def open_output(path: Path | None, schema: pa.Schema) -> Iterator[Any]:
    """Open a table to write. It appears whole or not at all, unless it goes to standard output.

    Args:
        path: The file, whose name tells the format; None = CSV to standard output.
        schema: Its columns.

    Yields:
        pyarrow's ParquetWriter or CSVWriter: `write_batch`.

    Raises:
        InputError: The name tells no format, or CSV cannot hold a column.
    """
    suffix = ".csv" if path is None else _suffix(path)
    if suffix in _DELIMITERS:
        _check_plain(schema)
    options = pc.WriteOptions(delimiter=_DELIMITERS.get(suffix, ","))
    if path is None:
        with pc.CSVWriter(sys.stdout.buffer, names_for_spreadsheet(schema), write_options=options) as writer:
            yield _ForSpreadsheets(writer)
        return
    with atomic_path(path) as temporary:
        if suffix == _PARQUET:
            with pq.ParquetWriter(temporary, schema) as writer:
                yield writer
            return
        codec = _CODECS.get(path.suffix.lower())
        with (
            pa.output_stream(str(temporary), compression=codec) as sink,
            pc.CSVWriter(sink, names_for_spreadsheet(schema), write_options=options) as writer,
        ):
            yield _ForSpreadsheets(writer)


def check_output_name(path: Path | None) -> None:
    """Look before the work that a table is the end of.

    Raises:
        InputError: The file's name tells no format.
    """
    if path is not None:
        _suffix(path)


class _ForSpreadsheets:
    """A writer of CSV in whose files no cell is a formula."""

    def __init__(self, writer: pc.CSVWriter) -> None:
        self._writer = writer

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Write some rows."""
        schema = names_for_spreadsheet(batch.schema)
        self._writer.write_batch(for_spreadsheet(batch).rename_columns(schema.names))


def _suffix(path: Path) -> str:
    is_compressed = path.suffix.lower() in _CODECS
    suffix = Path(path.stem).suffix.lower() if is_compressed else path.suffix.lower()
    if suffix in _DELIMITERS or (suffix == _PARQUET and not is_compressed):
        return suffix
    raise InputError(
        "The file's name does not tell its format.",
        received=str(path),
        expected="a name that ends with .csv or .tsv (each also with .gz or .zst) or .parquet",
        action="Give the file another name.",
    )


def _check_plain(schema: pa.Schema) -> None:
    nested = [field.name for field in schema if pa.types.is_nested(field.type)]
    if nested:
        raise InputError(
            "CSV cannot hold lists.",
            received=f"the input's columns {', '.join(nested)}",
            expected="plain values",
            action="Write a .parquet file.",
        )
