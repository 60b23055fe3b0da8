"""Asking DuckDB about files: texts and paths in SQL, one row, and errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from belka.errors import BelkaError, InputError, explained
from belka.files import literal_pattern


def sql_string(text: str | Path) -> str:
    """Quote a text or a path as an SQL string literal, quotes included."""
    return "'" + str(text).replace("'", "''") + "'"


def sql_pattern(path: Path) -> str:
    """Quote the pattern that matches one path alone, for the functions of DuckDB that read files."""
    return sql_string(literal_pattern(path))


def fetch_row(engine: Any, sql: str) -> tuple[Any, ...]:
    """Run a query of one row to its end; a result that is not read to its end would block the connection."""
    (row,) = engine.execute(sql).fetchall()
    return tuple(row)


@contextmanager
def explained_errors(doing: str) -> Iterator[None]:
    """Turn the exceptions of DuckDB and of Arrow's readers into errors that say what to do.

    Args:
        doing: What is being done and to which file, for example `reading /data/train.parquet`.

    Raises:
        InputError: If the data cannot be read.
        RunAgainError: If the disk is full.
        BelkaError: If memory or room for spilling ran out.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise BelkaError(
            f"Memory or spill space ran out while {doing}.",
            received=_first_line(error),
            expected="enough of both for the size of the raw files",
            action="Raise system.memory_limit_gb, or point system.spill_dir at a disk with more room.",
        ) from error
    except (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException, duckdb.ResourceInUseException):
        # Faults of our own SQL: no file can be blamed for them.
        raise
    except (duckdb.Error, pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
        if known := explained(error):  # a full disk where rows are dealt out is no fault of the file they come from
            raise known from error
        raise InputError(
            f"An error occurred while {doing}.",
            received=_first_line(error),
            expected="a whole file in the raw BELKA format",
            action="Fetch the file again, or mend the place named above; `belka validate` checks the folder.",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
