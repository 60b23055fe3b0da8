"""The raw files of a folder as DuckDB views: what the merge and the validation of a folder both start from."""

import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from belka.contract import (
    EXTRA_COUNT,
    EXTRA_SMILES,
    EXTRA_TARGET,
    RAW_BLOCKS,
    RAW_ID,
    RAW_LABEL,
    RAW_PROTEIN,
    RAW_SMILES,
)
from belka.errors import InputError
from belka.queries import explained_errors, fetch_row, sql_pattern, sql_string
from belka.raw_directory import EXTRA, TRAIN, RawFile, locate_raw_files
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.blocks import BlockTable, collect_blocks
from components.parquet_merge.record_format import MAX_TARGETS
from components.parquet_merge.refusals import RejectedCount, check_rejected, rejected_counts
from components.parquet_merge.row_rules import create_checked_view
from components.parquet_merge.usable_smiles import define_smiles_functions
from components.parquet_merge.workspace import open_engine

TEXT = frozenset({"VARCHAR"})
INTEGER = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
# pandas turns integers with a missing value into doubles, and some exports write labels as booleans.
LABEL = INTEGER | {"BOOLEAN", "FLOAT", "DOUBLE"}
KIND_NAMES = {TEXT: "text", INTEGER: "integer", LABEL: "number 0 or 1"}


@dataclass(frozen=True)
class RawInput:
    """The raw files of a folder; which of their rows are usable stands in the view `<source>_checked` of each.

    Attributes:
        files: The open files: train, test, and extra where it is used.
        n_rows: Number of rows of each source, > 0.
        blocks: The building blocks of train and test.
        ruled_by_row: Sources whose file holds as usable rows those that keep the rules about one row.
    """

    files: tuple[RawFile, ...]
    n_rows: dict[str, int]
    blocks: BlockTable
    ruled_by_row: frozenset[str]


@dataclass(frozen=True)
class FileReport:
    """What the validation found in one file.

    Attributes:
        source: `train`, `test` or `extra`.
        path: The file.
        n_rows: Number of rows.
        rejected: Rows that cannot be used, by reason.
    """

    source: str
    path: Path
    n_rows: int
    rejected: tuple[RejectedCount, ...]


@dataclass(frozen=True)
class ValidationReport:
    """What the validation found in a folder of raw files.

    Attributes:
        files: One report per file: train, test, and extra where it is used.
        n_blocks: Number of distinct building blocks in train and test.
        n_test_only_blocks: Number of those the training file does not show.
    """

    files: tuple[FileReport, ...]
    n_blocks: int
    n_test_only_blocks: int


def validate_raw_files(raw_dir: Path, *, data: DataSettings, system: SystemSettings) -> ValidationReport:
    """Check a folder of raw files as the merge would, without writing anything but temporary files.

    Args:
        raw_dir: Folder of the raw files.
        data: Targets, largest share of unusable rows, and whether DNA_Labeled_Data.csv is looked at.
        system: Memory budget and threads.

    Raises:
        InputError: Whatever would stop the merge.
    """
    with (
        tempfile.TemporaryDirectory(prefix="belka-validate-") as folder,
        closing(open_engine(system, temp_dir=Path(folder) / "duckdb")) as engine,
    ):
        raw = open_raw_input(engine, raw_dir, data=data, seed=0, work_dir=Path(folder))
        reports = []
        for file in raw.files:
            counts = rejected_counts(engine, file)
            check_rejected(engine, file, raw.n_rows[file.source], counts, data=data)
            reports.append(FileReport(file.source, file.path, raw.n_rows[file.source], counts))
    n_blocks = len(raw.blocks.smiles)
    return ValidationReport(tuple(reports), n_blocks, n_blocks - int(raw.blocks.in_training.sum()))


def open_raw_input(
    engine: Any,
    raw_dir: Path,
    *,
    data: DataSettings,
    seed: int,
    work_dir: Path,
    respelled: Mapping[str, Path] | None = None,
) -> RawInput:
    """Locate the raw files, check their columns and define which rows can be used.

    Args:
        engine: DuckDB connection.
        raw_dir: Folder of the raw files.
        data: Targets, the share of training blocks to hold out, and whether to use DNA_Labeled_Data.csv, which is left
            out when its protein is not a target.
        seed: Seed of the draw of held-out blocks.
        work_dir: Existing folder for temporary files.
        respelled: Copies of files in the one spelling by source, see `write_respelled`, which take the place of theirs.

    Raises:
        InputError: If there are too many targets, or a file is missing, unreadable, or lacks a column.
    """
    if len(data.targets) > MAX_TARGETS:
        raise InputError(
            "There are too many targets.",
            received=", ".join(data.targets),
            expected=f"at most {MAX_TARGETS} protein names",
            action="Correct data.targets.",
        )
    define_smiles_functions(engine)
    files = locate_raw_files(raw_dir, use_extra_data=data.use_extra_data and EXTRA_TARGET in data.targets)
    n_rows = {file.source: open_raw_file(engine, file, work_dir=work_dir) for file in files}
    for source, copy in (respelled or {}).items():
        engine.execute(f"CREATE OR REPLACE VIEW {source}_raw AS SELECT * FROM read_parquet({sql_pattern(copy)})")  # noqa: S608 - quoted
    blocks = collect_blocks(engine, files, seed=seed, share=data.validation_block_share, work_dir=work_dir)
    ruled = [file.source for file in files if create_checked_view(engine, file, data=data, blocks=blocks)]
    return RawInput(files, n_rows, blocks, frozenset(ruled).difference(respelled or ()))


def open_raw_file(engine: Any, file: RawFile, *, work_dir: Path) -> int:
    """Check the columns of a raw file, open it as the view `<source>_raw`, and return the number of its rows, > 0.

    The view has the columns row (BIGINT, from 0), id (BIGINT), block1, block2, block3, smiles, protein (VARCHAR), label
    (DOUBLE), id_text and label_text (VARCHAR, as given), smiles_spelled (VARCHAR, see `write_respelled`); null where
    the source has no such column or the value is not of that type. CSV is first turned into parquet, as text, so that a
    value of the wrong type is a row to reject and not an end of reading.

    Args:
        engine: DuckDB connection.
        file: The raw file.
        work_dir: Existing folder for the parquet made of a CSV file.

    Raises:
        InputError: If the file cannot be read, a column is missing or of the wrong type, or there are no rows.
    """
    expected = _expected_columns(file.source)
    path = file.path
    with explained_errors(f"reading {file.path}"):
        if file.is_csv:
            path = work_dir / f"{file.source}.parquet"
            _check_columns(file, _describe(engine, _csv_scan(file.path)), expected)
            names = ", ".join(f'"{name}"' for name in expected)
            target = f"{sql_string(path)} (FORMAT parquet, COMPRESSION lz4)"
            engine.execute(f"COPY (SELECT {names} FROM {_csv_scan(file.path)}) TO {target}")  # noqa: S608 - names are constants
        scan = f"read_parquet({sql_pattern(path)}, file_row_number = true)"
        types = _describe(engine, scan)
        if not file.is_csv:
            _check_columns(file, types, expected)
        engine.execute(f"CREATE VIEW {file.source}_raw AS SELECT {_view_columns(file, types)} FROM {scan}")  # noqa: S608
        (n_rows,) = fetch_row(engine, f"SELECT count(*) FROM {scan}")  # noqa: S608 - the path is quoted
    if n_rows == 0:
        raise InputError(
            f"The raw {file.source} file holds no rows.",
            received=f"{file.path}: columns, 0 rows",
            expected="a row for each (molecule, protein) pair",
            action="Fetch the file again.",
        )
    return int(n_rows)


def _expected_columns(source: str) -> dict[str, frozenset[str]]:
    if source == EXTRA:
        return {EXTRA_SMILES: TEXT, EXTRA_COUNT: LABEL}
    columns = {RAW_ID: INTEGER, **dict.fromkeys((*RAW_BLOCKS, RAW_SMILES, RAW_PROTEIN), TEXT)}
    return {**columns, RAW_LABEL: LABEL} if source == TRAIN else columns


def _csv_scan(path: Path) -> str:
    return f"read_csv({sql_pattern(path)}, header = true, all_varchar = true, delim = ',', quote = '\"', escape = '\"')"


def _describe(engine: Any, scan: str) -> dict[str, str]:
    rows = engine.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()  # noqa: S608 - the path is quoted
    return {row[0]: row[1] for row in rows}


def _check_columns(file: RawFile, found: dict[str, str], expected: dict[str, frozenset[str]]) -> None:
    missing = [name for name in expected if name not in found]
    if missing:
        raise InputError(
            f"The raw {file.source} file lacks the column {', '.join(missing)}.",
            received=f"{file.path} with the columns {', '.join(name for name in found if name != 'file_row_number')}",
            expected=f"the columns {', '.join(expected)}",
            action="Rename the columns, or fetch the file again.",
        )
    for name, types in expected.items():
        if not file.is_csv and found[name] not in types:
            raise InputError(
                f"The column {name} of the raw {file.source} file has the wrong type.",
                received=f"{found[name]} in {file.path}",
                expected=f"{KIND_NAMES[types]} ({', '.join(sorted(types))})",
                action="Write the file again with that type.",
            )


def _view_columns(file: RawFile, types: dict[str, str]) -> str:
    """SQL of the view's columns; what the source does not have is null."""
    is_extra = file.source == EXTRA
    label = EXTRA_COUNT if is_extra else RAW_LABEL if file.source == TRAIN else None
    columns = {
        "row": "file_row_number",
        "id": "NULL::BIGINT" if is_extra else _whole_number(RAW_ID, types[RAW_ID]),
        "id_text": "NULL::VARCHAR" if is_extra else f"{RAW_ID}::VARCHAR",
        "smiles": EXTRA_SMILES if is_extra else RAW_SMILES,
        "protein": "NULL::VARCHAR" if is_extra else RAW_PROTEIN,
        "label": "NULL::DOUBLE" if label is None else f"nullif(TRY_CAST({label} AS DOUBLE), 'nan'::DOUBLE)",
        "label_text": "NULL::VARCHAR" if label is None else f"{label}::VARCHAR",
        "smiles_spelled": "NULL::VARCHAR",
    }
    for i, block in enumerate(RAW_BLOCKS, start=1):
        columns[f"block{i}"] = "NULL::VARCHAR" if is_extra else block
    return ", ".join(f"{sql} AS {name}" for name, sql in columns.items())


def _whole_number(column: str, sql_type: str) -> str:
    # DuckDB rounds '1.5' to 2 when it casts text, so text must look like a whole number first.
    if sql_type in TEXT:
        return f"CASE WHEN regexp_full_match({column}, '[0-9]+') THEN TRY_CAST({column} AS BIGINT) END"
    return f"TRY_CAST({column} AS BIGINT)"
