"""The query engine of the merge: DuckDB within a memory budget, its errors put in the user's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from belka.errors import BelkaError, InputError

# DuckDB's share of the memory budget: the other part holds Python, Arrow batches in flight and the parquet encoders.
ENGINE_MEMORY_SHARE = 0.4


def open_engine(*, memory_limit_gb: float, n_workers: int, temp_dir: Path) -> Any:
    """Open an in-memory DuckDB database that spills into a folder of ours.

    Args:
        memory_limit_gb: Memory budget of the whole process, GB (10^9 bytes), > 0.
        n_workers: Threads, >= 1.
        temp_dir: Folder for what does not fit in memory; made when needed.

    Returns:
        The connection (duckdb.DuckDBPyConnection); close it after use.
    """
    megabytes = max(int(memory_limit_gb * 1000 * ENGINE_MEMORY_SHARE), 100)
    return duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{megabytes}MB",
            "threads": n_workers,
            "temp_directory": str(temp_dir),
            "preserve_insertion_order": True,
        },
    )


def sql_string(text: str | Path) -> str:
    """Quote a text as an SQL string literal.

    Args:
        text: Any text or path.

    Returns:
        The literal, quotes included.
    """
    return "'" + str(text).replace("'", "''") + "'"


def fetch_row(engine: Any, sql: str) -> tuple[Any, ...]:
    """Run a query of one row to its end; a result that is not read to its end would block the connection.

    Args:
        engine: DuckDB connection.
        sql: The query.

    Returns:
        The row.
    """
    (row,) = engine.execute(sql).fetchall()
    return tuple(row)


@contextmanager
def explained_errors(doing: str) -> Iterator[None]:
    """Turn the exceptions of DuckDB and of Arrow's readers into errors that say what to do.

    Args:
        doing: What is being done and to which file, for example `reading /data/train.parquet`.

    Yields:
        Nothing; the block runs the query.

    Raises:
        InputError: If the data cannot be read.
        BelkaError: If memory or disk space ran out.
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
        raise InputError(
            f"An error occurred while {doing}.",
            received=_first_line(error),
            expected="a whole file in the raw BELKA format",
            action="Fetch the file again, or mend the place named above; `belka validate` checks the folder.",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
