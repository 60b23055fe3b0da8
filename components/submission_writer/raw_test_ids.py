"""The ids that a submission must hold, read from the raw test file itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from components import data_contract as dc
from components.errors import InputError

# Ids are read as text and converted afterwards, so that an odd one costs its row and not the file; the trim keeps DuckDB from
# moving the conversion into its CSV reader, which stops at the first odd one.
_READERS: Final = {"test.parquet": "read_parquet(?)", "test.csv": "read_csv(?, header = true, all_varchar = true)"}


@dataclass(frozen=True)
class RawTestIds:
    """Counts of the raw test file.

    Args:
        distinct: Distinct ids: the rows of the submission.
        repeated: Rows that repeat an id.
        unreadable: Rows whose id is no integer; no submission row can stand for them.
    """

    distinct: int
    repeated: int
    unreadable: int


def load_raw_test_ids(connection: duckdb.DuckDBPyConnection, raw_dir: Path) -> RawTestIds:
    """Create the table `raw_ids` (id BIGINT, distinct) from test.parquet or test.csv.

    Args:
        connection: Database to create the table in.
        raw_dir: Raw BELKA directory.

    Returns:
        Counts.

    Raises:
        InputError: There is no such file, it has no id column, cannot be read, or holds no usable id.
    """
    path = _raw_test_file(raw_dir)
    try:
        connection.execute(
            f"CREATE TABLE raw_rows AS SELECT TRY_CAST(trim({dc.RAW_ID}::VARCHAR) AS BIGINT) AS id FROM {_READERS[path.name]}",  # noqa: S608 - constants
            [str(path)],
        )
    except duckdb.Error as error:
        problem = "The ids of the raw test file cannot be read."
        raise InputError(
            problem,
            received=f"{path}: {str(error).splitlines()[0]}",
            expected=f"a whole file with a column {dc.RAW_ID!r}",
            action="Download the file again, or mend it; `belka validate` checks a raw directory.",
        ) from error
    connection.execute("CREATE TABLE raw_ids AS SELECT DISTINCT id FROM raw_rows WHERE id IS NOT NULL")
    counts: Any = connection.execute(
        "SELECT count(DISTINCT id), count(id) - count(DISTINCT id), count(*) - count(id) FROM raw_rows"
    ).fetchone()
    connection.execute("DROP TABLE raw_rows")
    found = RawTestIds(distinct=counts[0], repeated=counts[1], unreadable=counts[2])
    if not found.distinct:
        problem = "The raw test file has no usable id."
        raise InputError(
            problem,
            received=f"{path} with {found.unreadable:,} rows",
            expected=f"rows with whole numbers in column {dc.RAW_ID!r}",
            action="Put the competition's test file there.",
        )
    return found


def _raw_test_file(raw_dir: Path) -> Path:
    candidates = [raw_dir / name for name in _READERS]
    for path in candidates:
        if path.is_file():
            return path
    problem = "The raw test file is missing."
    raise InputError(
        problem,
        received=f"neither {' nor '.join(map(str, candidates))}",
        expected="one of them: its ids are the rows of the submission",
        action="Put the competition's test file there, or correct data.raw_dir.",
    )
