"""Rows that cannot be used: their counts and their list, and when there are too many of them to go on."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from belka.contract import EXTRA_TARGET, REJECTED_COLUMNS
from belka.errors import InputError
from belka.files import atomic_path
from belka.molecules import REJECTED_SCHEMA
from belka.queries import explained_errors, sql_string
from belka.raw_directory import EXTRA, TEST, TRAIN, RawFile
from belka.rejections import OTHER_PROTEIN, share_advice
from belka.settings import DataSettings
from components.parquet_merge.labels import check_counts, check_threshold
from components.parquet_merge.record_format import MAX_TARGETS
from components.parquet_merge.row_rules import BATCH_ROWS, NOT_BINARY

logger = logging.getLogger(__name__)

SHOWN = 200  # characters of a SMILES in a message
_REFUSED = "reason IS NOT NULL"
_LISTED = {TRAIN: f"{_REFUSED} AND reason <> {sql_string(OTHER_PROTEIN)}", TEST: _REFUSED, EXTRA: _REFUSED}

# Lines per file in the list of a run that ends because of them.
MAX_LISTED_ROWS = 1_000_000


class TooManyRefusedError(InputError):
    """A file has more unusable rows than the settings allow."""


class AbsentTargetError(InputError):
    """A target has no training row while other proteins have."""


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
        TooManyRefusedError: If the share is larger, or no row of the train or test file is left; it shows an example of
            each of the top reasons.
        AbsentTargetError: If a target has no training row while other proteins have.
        InputError: If labels are counts and no threshold is set, or none reaches it.
    """
    if file.source == TRAIN and data.binds:
        check_threshold(engine, file, data)
    if any(count.reason == NOT_BINARY for count in counts):
        check_counts(engine, file)
    _check_targets(engine, file, counts, data=data)
    n_left_out = sum(count.n_rows for count in counts if count.reason == OTHER_PROTEIN)
    n_rejected = sum(count.n_rows for count in counts) - n_left_out
    # A share of 1 accepts any loss, but nothing can be made of a training or test file without one usable row.
    nothing_left = n_rejected + n_left_out == n_rows and file.source != EXTRA
    if n_rejected <= data.max_rejected_share * (n_rows - n_left_out) and not nothing_left:
        return
    if nothing_left:
        n_rejected = n_rows
    else:
        n_rows -= n_left_out
        counts = [count for count in counts if count.reason != OTHER_PROTEIN]
    top = "; ".join(f"{count.n_rows:,} x {count.reason} ({count.example})" for count in counts[:3])
    raise TooManyRefusedError(
        f"Too many rows of the raw {file.source} file cannot be used.",
        received=f"{n_rejected:,} of {n_rows:,} rows ({n_rejected / n_rows:.2%}) of {file.path}: {top}",
        expected=f"at most {data.max_rejected_share:.2%} (data.max_rejected_share)",
        action=share_advice({count.reason: count.n_rows for count in counts}, n_rows),
    )


def targets_line(names: Sequence[str]) -> str:
    """The value for `--set` that makes these proteins the targets; a name that YAML takes for a number is quoted."""
    return f"data.targets=[{', '.join(name if name[0].isalpha() else json.dumps(name) for name in names)}]"


def _check_targets(engine: Any, file: RawFile, counts: Sequence[RejectedCount], *, data: DataSettings) -> None:
    """Refuse a target that no training row names where rows of other proteins are left out: its name may be wrong."""
    if file.source != TRAIN or all(count.reason != OTHER_PROTEIN for count in counts):
        return
    found = dict(engine.execute("SELECT protein, count(*) FROM train_raw GROUP BY ALL ORDER BY 2 DESC, 1").fetchall())
    labelled_elsewhere = {EXTRA_TARGET} if data.use_extra_data else set()
    if absent := [name for name in data.targets if name not in found and name not in labelled_elsewhere]:
        raise AbsentTargetError(
            "The raw train file has no row of a target, and rows of proteins that are no targets.",
            received=f"no row of {', '.join(absent)}; "
            + ", ".join(f"{n_rows:,} of {name}" for name, n_rows in list(found.items())[:5]),
            expected=f"rows of each of data.targets: {', '.join(data.targets)}",
            action="Correct the names in data.targets, or take those of the file: "
            f"--set '{targets_line(sorted(name for name in found if name)[:MAX_TARGETS])}'.",
        )


@contextmanager
def kept_list(engine: Any, files: Sequence[RawFile], path: Path) -> Iterator[None]:
    """Write the list of refused rows where the block ends because of them, and name it in the message.

    Args:
        engine: DuckDB connection with the checked views.
        files: The raw files.
        path: The file to write, in a folder that is there when the run is over.
    """
    try:
        yield
    except TooManyRefusedError as error:
        try:
            with atomic_path(path) as temporary:
                write_rejected(engine, files, temporary, limit=MAX_LISTED_ROWS)
        except OSError:
            # No place for a list: the message with its examples is worth more than why.
            logger.exception("The list of refused rows cannot be written to %s.", path)
            raise error from None
        action = f"{error.action} {path} lists the rows (up to {MAX_LISTED_ROWS:,} of a file)."
        raise InputError(error.problem, received=error.received, expected=error.expected, action=action) from error


def write_rejected(engine: Any, files: Sequence[RawFile], path: Path, *, limit: int | None = None) -> None:
    """Write rejected.parquet: the rejected rows in the order of the files, every value as the text that was given.

    Training rows of proteins that are no targets, two thirds of the library for one target, are counted only.

    Args:
        engine: DuckDB connection with the checked views.
        files: The files that have rejected rows.
        path: The file to write.
        limit: Most rows of a file; None = all.
    """
    first = "" if limit is None else f" LIMIT {limit}"
    with pq.ParquetWriter(path, REJECTED_SCHEMA, compression="zstd") as writer:
        for file in files:
            values = (sql_string(file.source), "row", "id_text", "smiles_text", "protein", "label_text", "reason")
            columns = ", ".join(f"{value} AS {name}" for value, name in zip(values, REJECTED_COLUMNS, strict=True))
            sql = f"SELECT {columns} FROM {file.source}_checked WHERE {_LISTED[file.source]} ORDER BY row{first}"  # noqa: S608
            with explained_errors(f"reading {file.path}"):
                for batch in engine.sql(sql).to_arrow_reader(BATCH_ROWS):
                    writer.write_batch(batch.cast(REJECTED_SCHEMA))
