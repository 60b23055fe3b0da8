"""Rows that cannot be used: their counts and their list, and when there are too many of them to go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from belka.contract import REJECTED_COLUMNS
from belka.errors import InputError
from belka.molecules import REJECTED_SCHEMA
from belka.queries import explained_errors, sql_string
from belka.raw_directory import EXTRA, TRAIN, RawFile
from belka.rejections import share_advice
from belka.settings import DataSettings
from components.parquet_merge.labels import check_counts, check_threshold
from components.parquet_merge.row_rules import BATCH_ROWS, NOT_BINARY

SHOWN = 200  # characters of a SMILES in a message


@dataclass(frozen=True)
class RejectedCount:
    """Rows of one file that share a reason.

    Attributes:
        source: `train`, `test` or `extra`.
        reason: Why they cannot be used.
        n_rows: How many there are, > 0.
        example: The first of them: row number from 0 and values, as text.
    """

    source: str
    reason: str
    n_rows: int
    example: str


def rejected_counts(engine: Any, file: RawFile) -> tuple[RejectedCount, ...]:
    """Count the rows of a file that its checked view rejects: one entry per reason, the most frequent first."""
    shown = {"id": "id_text", "protein": "protein", "label": "label_text", "smiles": f"left(smiles_text, {SHOWN})"}
    parts = " || ".join(f"', {name} ' || coalesce({column}, 'missing')" for name, column in shown.items())
    sql = (
        f"SELECT reason, count(*), min_by(place || {parts}, row) FROM {file.source}_checked "  # noqa: S608
        "WHERE reason IS NOT NULL GROUP BY reason ORDER BY 2 DESC, 1"
    )
    with explained_errors(f"reading {file.path}"):
        rows = engine.execute(sql).fetchall()
    return tuple(RejectedCount(file.source, *row) for row in rows)


def check_rejected(
    engine: Any, file: RawFile, n_rows: int, counts: Sequence[RejectedCount], *, data: DataSettings
) -> None:
    """Fail when too large a part of a file cannot be used, or its labels are something else than the settings say.

    Args:
        engine: DuckDB connection with the raw views.
        file: The raw file.
        n_rows: Number of its rows.
        counts: Its rejected rows by reason.
        data: Largest share of the file's rows that may be rejected, and what the labels are.

    Raises:
        InputError: If the share is larger, or no row of the train or test file is left; it shows an example of each of
            the top reasons. If labels are counts and no threshold is set, or none reaches it.
    """
    if file.source == TRAIN and data.binds:
        check_threshold(engine, file, data)
    if any(count.reason == NOT_BINARY for count in counts):
        check_counts(engine, file)
    n_rejected = sum(count.n_rows for count in counts)
    # A share of 1 accepts any loss, but nothing can be made of a training or test file without one usable row.
    nothing_left = n_rejected == n_rows and file.source != EXTRA
    if n_rejected <= data.max_rejected_share * n_rows and not nothing_left:
        return
    top = "; ".join(f"{count.n_rows:,} x {count.reason} ({count.example})" for count in counts[:3])
    raise InputError(
        f"Too many rows of the raw {file.source} file cannot be used.",
        received=f"{n_rejected:,} of {n_rows:,} rows ({n_rejected / n_rows:.2%}) of {file.path}: {top}",
        expected=f"at most {data.max_rejected_share:.2%} (data.max_rejected_share)",
        action=share_advice({count.reason: count.n_rows for count in counts}, n_rows),
    )


def write_rejected(engine: Any, files: Sequence[RawFile], path: Path) -> None:
    """Write rejected.parquet: the rejected rows in the order of the files, every value as the text that was given.

    Args:
        engine: DuckDB connection with the checked views.
        files: The files that have rejected rows.
        path: The file to write.
    """
    with pq.ParquetWriter(path, REJECTED_SCHEMA, compression="zstd") as writer:
        for file in files:
            values = (sql_string(file.source), "row", "id_text", "smiles_text", "protein", "label_text", "reason")
            columns = ", ".join(f"{value} AS {name}" for value, name in zip(values, REJECTED_COLUMNS, strict=True))
            sql = f"SELECT {columns} FROM {file.source}_checked WHERE reason IS NOT NULL ORDER BY row"  # noqa: S608
            with explained_errors(f"reading {file.path}"):
                for batch in engine.sql(sql).to_arrow_reader(BATCH_ROWS):
                    writer.write_batch(batch.cast(REJECTED_SCHEMA))
