"""Write submission.csv: every id of the raw test file once with a probability, or an error that says what is wrong."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from belka.contract import ABSENT_ID, FEATURE_IDS, OUTPUT_PROBABILITIES, Subset, split_folder
from belka.errors import BelkaError
from belka.examples import known_total, len_of, list_examples, read_examples
from belka.files import atomic_path, literal_pattern
from belka.progress import counted
from belka.queries import sql_string
from belka.settings import DataSettings
from components.submission_writer.raw_test_ids import load_raw_test_ids

logger = logging.getLogger(__name__)
_SHOWN: Final = 5
_VALUE: Final = "coalesce(binds, getvariable('fallback')::FLOAT)"
_LONG_ROWS: Final = (
    f"SELECT id_text AS id, {_VALUE} AS binds FROM raw_ids LEFT JOIN predictions USING (id) ORDER BY raw_ids.id"  # noqa: S608
)
_BATCH: Final = 8_192
_MEMORY_LIMIT: Final = "1GB"  # beyond it DuckDB spills to a temporary folder


@dataclass(frozen=True)
class SubmissionSummary:
    """What was written.

    Attributes:
        rows: Values of submission.csv: distinct ids of the raw test file, times the targets where a row asks for all of
            them. 0 = there is no test file, and no submission.
        predicted: Values that are predictions of the model.
        rejected: Values without one because an earlier step refused their raw row.
        rejected_prediction: What stands for the `rejected`.
        repeated_ids: Rows of the raw test file that repeat an id; it stands in submission.csv once.
        unreadable_ids: Rows of the raw test file without an id; they cannot stand in submission.csv.
    """

    rows: int
    predicted: int
    rejected: int
    rejected_prediction: float
    repeated_ids: int
    unreadable_ids: int


def write_submission(
    predictions_dir: Path,
    raw_dir: Path,
    rejected: Sequence[Path],
    output_csv: Path,
    *,
    aliases: Path,
    data: DataSettings,
) -> SubmissionSummary:
    """Turn BulkInferrer's predictions into the competition's `id,binds`, checked against the raw test file itself.

    Where a row of the raw test file asks for all targets, a row of the submission has a column for each.

    Nothing is written unless every raw id has exactly one finite probability within [0, 1] or was refused, with a
    reason, by an earlier step. Memory stays bounded whatever the number of rows.

    Args:
        predictions_dir: BulkInferrer's `output_examples`, with the test split.
        raw_dir: Raw BELKA directory; its test file is read again, independently of what the pipeline made of it.
        rejected: rejected.parquet files of the earlier steps (columns `REJECTED_COLUMNS`); ids of source `test` may
            lack a prediction.
        output_csv: File to write: ids as they were given, whole numbers ascending and others in the order of the raw
            file; `binds` with the float32 digits that round-trip. Appears whole or not at all, and not without a test
            file.
        aliases: test_aliases.parquet of ParquetMerge: ids of a pair that has a smaller one, which carries the
            prediction of all.
        data: Targets, in the order of the Examples' ids and probabilities; names of files and columns; the probability
            of refused rows.

    Raises:
        InputError: The raw test file is missing or has unusable ids.
        BelkaError: Predictions are missing, unexpected, repeated, not finite or outside [0, 1], or cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="submission-") as scratch:
        connection = duckdb.connect(
            str(Path(scratch) / "submission.duckdb"), config={"memory_limit": _MEMORY_LIMIT, "temp_directory": scratch}
        )
        with connection:
            raw = load_raw_test_ids(connection, raw_dir, data, work_dir=Path(scratch))
            if raw is None:
                logger.warning("There is no raw test file in %s, and so no submission.", raw_dir)
                return SubmissionSummary(0, 0, 0, data.rejected_prediction, 0, 0)
            files = _prediction_files(predictions_dir)
            _load_predictions(connection, files, n_targets=len(data.targets))
            _load_rejected(connection, rejected)
            _load_aliases(connection, aliases)
            _check(connection)
            predicted = _scalar(connection, "SELECT count(*) FROM predictions")
            summary = SubmissionSummary(
                rows=raw.distinct,
                predicted=predicted,
                rejected=raw.distinct - predicted,
                rejected_prediction=data.rejected_prediction,
                repeated_ids=raw.repeated,
                unreadable_ids=raw.unreadable,
            )
            rows = _wide_rows(connection, data.targets) if raw.is_wide else _LONG_ROWS
            _write_csv(connection, output_csv, rows, data.rejected_prediction)
    _warn(summary)
    return summary


def _prediction_files(predictions_dir: Path) -> list[Path]:
    files = list_examples(predictions_dir, Subset.TEST.split)
    if not files:
        raise BelkaError(
            "There are no predictions.",
            received=f"no file {predictions_dir / split_folder(Subset.TEST.split) / 'examples*'}",
            expected="the output_examples of BulkInferrer for the test split",
            action="Run the inference step again; it writes nothing when its model was not blessed.",
        )
    return files


def _warn(summary: SubmissionSummary) -> None:
    if summary.rejected:
        logger.warning(
            "%d of %d submission rows were rejected by an earlier step and get binds=%s; rejected.parquet says why.",
            summary.rejected,
            summary.rows,
            summary.rejected_prediction,
        )
    if summary.unreadable_ids:
        logger.warning(
            "%d rows of the raw test file have no id: no submission row stands for them.",
            summary.unreadable_ids,
        )


def _load_predictions(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], *, n_targets: int) -> None:
    """Load the pairs that the raw test file asks for; those without a row of it (id -1) are left out, unchecked."""
    connection.execute("CREATE TABLE predictions (id BIGINT, binds FLOAT)")
    columns = (FEATURE_IDS, OUTPUT_PROBABILITIES)
    action = "Run the inference step again; check that data.targets is what the model was trained with."
    batches = read_examples(files, columns, n_targets=n_targets, batch_size=_BATCH, action=action)
    for batch in counted(batches, "collecting predictions", "molecules", known_total(files), size=len_of):
        ids, binds = (batch.columns[name].ravel() for name in columns)
        present = ids != ABSENT_ID
        connection.register("batch", pa.table({"id": ids[present], "binds": binds[present]}))
        connection.execute("INSERT INTO predictions SELECT id, binds FROM batch")
        connection.unregister("batch")


def _load_rejected(connection: duckdb.DuckDBPyConnection, rejected: Sequence[Path]) -> None:
    connection.execute("CREATE TABLE rejected (id BIGINT)")
    query = (
        "INSERT INTO rejected SELECT TRY_CAST(id AS BIGINT) FROM read_parquet(?) WHERE source = ? AND id IS NOT NULL"
    )
    for path in rejected:
        _read_table(connection, query, path, Subset.TEST.split)


def _load_aliases(connection: duckdb.DuckDBPyConnection, aliases: Path) -> None:
    """Give the ids of a pair what its carrier has: a prediction, or the word that a step refused it."""
    for table, columns in (("predictions", "alias.id, binds"), ("rejected", "alias.id")):
        shared = f"SELECT {columns} FROM read_parquet(?) AS alias JOIN {table} ON {table}.id = carrier"  # noqa: S608
        _read_table(connection, f"INSERT INTO {table} {shared}", aliases)


def _read_table(connection: duckdb.DuckDBPyConnection, query: str, path: Path, *parameters: str) -> None:
    """Run a query whose first parameter is a parquet file of an earlier step."""
    try:
        connection.execute(query, [literal_pattern(path), *parameters])
    except duckdb.Error as error:
        raise BelkaError(
            "A table of an earlier step cannot be read.",
            received=f"{path}: {str(error).splitlines()[0]}",
            expected="the file as that step wrote it",
            action="Run the pipeline again from the first step.",
        ) from error


def _check(connection: duckdb.DuckDBPyConnection) -> None:
    _refuse(
        connection,
        # NaN sorts above every number in DuckDB, so the upper bound also catches it.
        "SELECT id, binds FROM predictions WHERE NOT (binds >= 0 AND binds <= 1)",
        problem="Some predictions are not probabilities.",
        expected="finite numbers from 0 to 1",
        action="Look at the training log for losses that are not finite, and train the model again.",
    )
    again = "Run the pipeline again from the first step: predictions and raw test file are not of the same data."
    _refuse(
        connection,
        "SELECT id, count(*) AS times FROM predictions GROUP BY id HAVING count(*) > 1",
        problem="Some ids have more than one prediction.",
        expected="one prediction per id",
        action=again,
    )
    _refuse(
        connection,
        "SELECT id FROM predictions ANTI JOIN raw_ids USING (id)",
        problem="Some predictions have ids that the raw test file does not hold.",
        expected="only ids of the raw test file",
        action=again,
    )
    _refuse(
        connection,
        "SELECT id FROM raw_ids ANTI JOIN predictions USING (id) ANTI JOIN rejected USING (id)",
        problem="Some ids of the raw test file have no prediction, and no step says that it rejected them.",
        expected="a prediction or a reason for every id",
        action=again,
    )


def _refuse(connection: duckdb.DuckDBPyConnection, query: str, *, problem: str, expected: str, action: str) -> None:
    """Raise when the query finds rows; name how many and the first few."""
    count = _scalar(connection, f"SELECT count(*) FROM ({query})")  # noqa: S608 - the queries are constants of this module
    if count:
        found = connection.execute(f"SELECT * FROM ({query}) ORDER BY ALL LIMIT {_SHOWN}")  # noqa: S608 - as above
        names = [column[0] for column in found.description or ()]
        examples = [" ".join(f"{n} {v}" for n, v in zip(names, row, strict=True)) for row in found.fetchall()]
        more = ", ..." if count > _SHOWN else ""
        raise BelkaError(problem, received=f"{count:,}: {', '.join(examples)}{more}", expected=expected, action=action)


def _wide_rows(connection: duckdb.DuckDBPyConnection, targets: Sequence[str]) -> str:
    """SQL of the rows where each has all targets: in the order of whole numbers, else in that of the raw file."""
    is_number = "regexp_full_match(id_text, '0|[1-9][0-9]*') AND TRY_CAST(id_text AS BIGINT) IS NOT NULL"
    n_others = _scalar(connection, f"SELECT count(*) FROM raw_ids WHERE NOT ({is_number})")  # noqa: S608 - constants
    order = "min(id)" if n_others else "min(id_text::BIGINT)"
    values = ", ".join(f'max({_VALUE}) FILTER (protein = {sql_string(target)}) AS "{target}"' for target in targets)
    return (
        f"SELECT any_value(id_text) AS id, {values} FROM raw_ids LEFT JOIN predictions USING (id) "  # noqa: S608
        f"GROUP BY id // {len(targets)} ORDER BY {order}"
    )


def _write_csv(connection: duckdb.DuckDBPyConnection, output_csv: Path, rows: str, rejected_prediction: float) -> None:
    connection.execute("SET VARIABLE fallback = ?", [rejected_prediction])
    with atomic_path(output_csv) as temporary:
        connection.sql(rows).write_csv(str(temporary), header=True)


def _scalar(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row: Any = connection.execute(query).fetchone()
    return int(row[0])
