"""The ids that a submission must hold, read from the raw test file itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from belka.errors import InputError
from belka.queries import fetch_row
from belka.raw_directory import TEST, locate_raw_files
from belka.raw_table import open_raw_table
from belka.settings import DataSettings


@dataclass(frozen=True)
class RawTestIds:
    """Counts of the raw test file.

    Attributes:
        distinct: Values that the submission holds: distinct ids, times the targets where a row asks for all of them.
        repeated: Rows that repeat an id.
        unreadable: Rows without an id, or with a number below 0; no submission row can stand for them.
        is_wide: Whether a row asks for all targets.
    """

    distinct: int
    repeated: int
    unreadable: int
    is_wide: bool


def load_raw_test_ids(
    connection: duckdb.DuckDBPyConnection, raw_dir: Path, data: DataSettings, *, work_dir: Path
) -> RawTestIds | None:
    """Create the table `raw_ids` from the raw test file: id BIGINT (distinct), id_text and protein VARCHAR, as given.

    Args:
        connection: Database to create the table in.
        raw_dir: Raw BELKA directory.
        data: Names of files, columns and targets.
        work_dir: Existing folder for temporary files.

    Returns:
        Its counts; None where there is no test file, and no table.

    Raises:
        InputError: The file is there twice, has no id column, cannot be read, or holds no usable id.
    """
    file = next((f for f in locate_raw_files(raw_dir, data, use_extra_data=False) if f.source == TEST), None)
    if file is None:
        return None
    table = open_raw_table(connection, file, data, work_dir=work_dir)
    connection.execute(
        "CREATE TABLE raw_ids AS SELECT id, any_value(id_text) AS id_text, any_value(protein) AS protein "
        "FROM test_raw WHERE id >= 0 GROUP BY id"
    )
    usable: Any = fetch_row(connection, "SELECT count(*) FROM test_raw WHERE id >= 0")
    distinct: Any = fetch_row(connection, "SELECT count(*) FROM raw_ids")
    found = RawTestIds(
        distinct=distinct[0],
        repeated=usable[0] - distinct[0],
        unreadable=table.n_rows - usable[0],
        is_wide=table.columns.is_wide,
    )
    if not found.distinct:
        raise InputError(
            "The raw test file has no usable id.",
            received=f"{file.path} with {found.unreadable:,} rows",
            expected=f"rows with an id in column {data.columns.id!r}",
            action="Give each row an id, or name their column with --set data.columns.id=NAME.",
        )
    return found
