"""Find what is to be predicted, and read it a few thousand rows at a time, whatever its format."""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from belka.chemistry.smiles import parse
from belka.delimited import open_text_table
from belka.errors import InputError
from belka.predict.rows import Format, Rows
from belka.predict.sdf_input import SDF
from belka.predict.smiles_input import SMILES_LINES
from belka.predict.table_input import CHUNK_ROWS, PARQUET, SMILES_COLUMNS, TEXT_TABLE

STANDARD_INPUT: Final = Path("-")
COMPRESSED: Final = (".gz", ".zst")
_FORMATS: Final = {
    ".csv": TEXT_TABLE,
    ".tsv": TEXT_TABLE,
    ".smi": SMILES_LINES,
    ".smiles": SMILES_LINES,
    ".sdf": SDF,
    ".parquet": PARQUET,
}
_EXPECTED: Final = "names that end with .csv, .tsv, .smi, .smiles, .sdf (each also with .gz or .zst) or .parquet"
_SHOWN: Final = 5
_SHOWN_COLUMNS: Final = 50
_MAX_COLUMNS: Final = 10_000


@dataclass(frozen=True)
class InputTable:
    """What is to be predicted.

    Attributes:
        path: File or folder, as messages name it.
        files: The files, in order.
        format: Of all of them.
        schema: The columns of all of them.
        smiles_column: The column with the SMILES.
        note: What was not read, or how it was read; empty when that needs no word.
    """

    path: Path
    files: tuple[Path, ...]
    format: Format
    schema: pa.Schema
    smiles_column: str
    note: str = ""


@contextmanager
def open_input(path: Path, column: str | None) -> Iterator[InputTable]:
    """Look at what is to be predicted.

    Args:
        path: A file, a folder whose files are of one format, or `-`: standard input, which is copied to a temporary
            file first.
        column: The column with the SMILES; None = find it.

    Raises:
        InputError: There is no input, it is damaged, or it has no such column.
    """
    if path != STANDARD_INPUT:
        files, note = _list_files(path)
        yield _open(path, files, _format(files[0]), column, note)
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "standard input"
        with copy.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield _open_standard_input(copy, column)


def read_rows(table: InputTable) -> Iterator[Rows]:
    """Read a table in order.

    Args:
        table: From `open_input`.

    Yields:
        At most `CHUNK_ROWS` rows at a time. Cells of text files are texts exactly as they stand there. A row that is
        none (broken lines, broken records) has a problem that names its line.

    Raises:
        InputError: The table is damaged.
    """
    for path in table.files:
        prefix = f"{path.name} " if len(table.files) > 1 else ""
        try:
            for batch, problems in table.format.read(path, table.schema):
                for start in range(0, batch.num_rows, CHUNK_ROWS):
                    part = problems[start : start + CHUNK_ROWS]
                    yield Rows(batch.slice(start, CHUNK_ROWS), [each and prefix + each for each in part])
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable(path, error) from error


def smiles_of(batch: pa.RecordBatch, table: InputTable) -> list[str | None]:
    """The SMILES of a batch as given.

    Raises:
        InputError: The column holds something else than text.
    """
    column = batch.column(table.smiles_column)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    is_binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    if not any(check(kind) for check in (*is_text, *is_binary)):
        raise InputError(
            "The SMILES are no texts.",
            received=f"{table.path}: column {table.smiles_column} of type {column.type}",
            expected="a column of strings",
            action="Name another column with --column.",
        )
    texts = column.to_pylist()
    return [text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text for text in texts]


def _list_files(path: Path) -> tuple[tuple[Path, ...], str]:
    """The files of an input in the order of their names, and a note of those that are left out."""
    if path.is_file():
        return (path,), ""
    if not path.is_dir():
        raise InputError("The input does not exist.", received=str(path.absolute()), expected="a file, a folder or -")
    entries = sorted(path.iterdir())
    files = [entry for entry in entries if entry.is_file() and _suffix(entry) in _FORMATS]
    others = [entry.name for entry in entries if entry not in files]
    counts = Counter(_format(file).name for file in files)
    if len(counts) != 1:
        kinds = ", ".join(f"{number} of {name}" for name, number in counts.items())
        raise InputError(
            "The input folder holds files of several formats." if counts else "The input folder holds no table.",
            received=f"{path}: {kinds or _shortened(others) or 'no file'}",
            expected=f"files of one format: {_EXPECTED}",
            action="Give one of the files, or a folder of one format.",
        )
    return tuple(files), f"not read in {path}: {_shortened(others)}" if others else ""


def _open_standard_input(path: Path, column: str | None) -> InputTable:
    """Take standard input as a table if its first line has the column, and as one SMILES a line otherwise."""
    names = open_text_table(path, SMILES_COLUMNS if column is None else (column.lower(),)).header
    is_table = column is not None or any(name.lower() in SMILES_COLUMNS for name in names)
    # Several names, none of which is a SMILES: a header that lacks the column.
    is_table = is_table or (len(names) > 1 and isinstance(parse(names[0]), str))
    if is_table:
        return _open(
            path, (path,), TEXT_TABLE, column, "standard input was read as a table: its first line is a header"
        )
    note = "standard input was read as one SMILES a line: its first line is no header with a column of SMILES"
    return _open(path, (path,), SMILES_LINES, column, note)


def _open(path: Path, files: tuple[Path, ...], kind: Format, column: str | None, note: str) -> InputTable:
    try:
        schema, smiles_column = kind.open(files, column)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: names of columns that are no text
        raise _unreadable(path, error) from error
    if len(schema) > _MAX_COLUMNS:  # each costs time and memory in every part of the file
        raise InputError(
            "The input has too many columns.",
            received=f"{path}: {len(schema):,} columns",
            expected=f"at most {_MAX_COLUMNS:,}",
            action="Keep the column of SMILES and those that name a row.",
        )
    if smiles_column is None or column is not None:
        smiles_column = _smiles_column(path, schema, column)
    return InputTable(path, files, kind, schema, smiles_column, note)


def _suffix(path: Path) -> str:
    """The suffix that names the format, in lower case."""
    suffixes = path.name.lower().split(".")[1:]
    is_compressed = bool(suffixes) and f".{suffixes[-1]}" in COMPRESSED
    kinds = suffixes[:-1] if is_compressed else suffixes
    suffix = f".{kinds[-1]}" if kinds else ""
    return "" if is_compressed and suffix == ".parquet" else suffix


def _format(path: Path) -> Format:
    if found := _FORMATS.get(_suffix(path)):
        return found
    raise InputError(
        "The file's name does not tell its format.", received=str(path), expected=_EXPECTED, action="Rename the file."
    )


def _smiles_column(path: Path, schema: pa.Schema, column: str | None) -> str:
    wanted = SMILES_COLUMNS if column is None else (column,)
    for candidate in wanted:
        for name in schema.names:
            if name == candidate or (column is None and name.lower() == candidate):
                return str(name)
    raise InputError(
        "There is no column with SMILES.",
        received=f"{path} with the columns {_shortened(schema.names, _SHOWN_COLUMNS)}",
        expected=f"a column {' or '.join(wanted)}",
        action="Name the column so in the file, or name it with --column where the command has that option.",
    )


def _shortened(names: list[str], shown: int = _SHOWN) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        "The input file cannot be read.",
        received=f"{path}: {str(error).splitlines()[0][:500]}",
        expected="a whole file of the format that its name tells",
        action="Fetch or export the file again; nothing was written.",
    )
