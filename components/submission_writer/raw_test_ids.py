"""The ids that a submission must hold, read from the raw test file itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from belka.contract import RAW_ID
from belka.errors import InputError
from belka.files import literal_pattern
from belka.raw_directory import TEST, locate_raw_files

_READ_PARQUET: Final = "read_parquet(?)"
_READ_CSV: Final = "read_csv(?, header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"')"
# Ids are tested as text, so that an odd one costs its row and not the file: DuckDB rounds '1.5' to 2 when it casts.
_WHOLE_NUMBER: Final = (
    f"CASE WHEN regexp_full_match({RAW_ID}::VARCHAR, '[0-9]+') THEN TRY_CAST({RAW_ID}::VARCHAR AS BIGINT) END"
)


@dataclass(frozen=True)
class RawTestIds:
    """Counts of the raw test file.

    Attributes:
        distinct: Distinct ids: the rows of the submission.
        repeated: Rows that repeat an id.
        unreadable: Rows whose id is no whole number of 0 or more; no submission row can stand for them.
    """

    distinct: int
    repeated: int
    unreadable: int


def load_raw_test_ids(connection: duckdb.DuckDBPyConnection, raw_dir: Path) -> RawTestIds:
    """Create the table `raw_ids` (id BIGINT, distinct) from test.parquet or test.csv.

    Args:
        connection: Database to create the table in.
        raw_dir: Raw BELKA directory.

    Raises:
        InputError: There is no such file or both, it has no id column, cannot be read, or holds no usable id.
    """
    file = next(f for f in locate_raw_files(raw_dir, use_extra_data=False) if f.source == TEST)
    path = file.path
    try:
        connection.execute(
            f"CREATE TABLE raw_rows AS SELECT {_WHOLE_NUMBER} AS id FROM {_READ_CSV if file.is_csv else _READ_PARQUET}",  # noqa: S608 - constants
            [literal_pattern(path)],
        )
    except duckdb.Error as error:
        raise InputError(
            "The ids of the raw test file cannot be read.",
            received=f"{path}: {str(error).splitlines()[0]}",
            expected=f"a whole file with a column {RAW_ID!r}",
            action="Download the file again, or mend it; `belka validate` checks a raw directory.",
        ) from error
    connection.execute("CREATE TABLE raw_ids AS SELECT DISTINCT id FROM raw_rows WHERE id IS NOT NULL")
    counts: Any = connection.execute(
        "SELECT count(DISTINCT id), count(id) - count(DISTINCT id), count(*) - count(id) FROM raw_rows"
    ).fetchone()
    connection.execute("DROP TABLE raw_rows")
    found = RawTestIds(distinct=counts[0], repeated=counts[1], unreadable=counts[2])
    if not found.distinct:
        raise InputError(
            "The raw test file has no usable id.",
            received=f"{path} with {found.unreadable:,} rows",
            expected=f"rows with whole numbers in column {RAW_ID!r}",
            action="Put the competition's test file there.",
        )
    return found
