"""The raw files of a folder as DuckDB views: what the merge and the validation of a folder both start from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from belka.contract import EXTRA_TARGET
from belka.errors import InputError
from belka.queries import sql_pattern
from belka.raw_directory import TEST, TRAIN, RawFile, locate_raw_files
from belka.raw_table import RawTable, open_raw_table
from belka.settings import DataSettings
from components.parquet_merge.blocks import BlockTexts, collect_texts
from components.parquet_merge.record_format import MAX_TARGETS
from components.parquet_merge.row_rules import create_checked_view, find_training_positions
from components.parquet_merge.usable_smiles import define_smiles_functions


@dataclass(frozen=True)
class RawInput:
    """The raw files of a folder; which of their rows are usable stands in the view `<source>_checked` of each.

    Attributes:
        tables: The open tables: train; test where there is one; extra where it is used.
        blocks: The texts of building blocks in train and test.
        ruled_by_row: Sources whose file holds as usable rows those that keep the rules about one row.
    """

    tables: dict[str, RawTable]
    blocks: BlockTexts
    ruled_by_row: frozenset[str]

    @property
    def files(self) -> tuple[RawFile, ...]:
        """The files of each table."""
        return tuple(table.file for table in self.tables.values())

    @property
    def n_rows(self) -> dict[str, int]:
        """Number of rows of each source, > 0."""
        return {source: table.n_rows for source, table in self.tables.items()}


def open_raw_input(
    engine: Any, raw_dir: Path, *, data: DataSettings, work_dir: Path, respelled: Mapping[str, Path] | None = None
) -> RawInput:
    """Locate the raw files, check their columns and define which rows can be used.

    Args:
        engine: DuckDB connection.
        raw_dir: Folder of the raw files.
        data: Targets, and whether to use DNA_Labeled_Data.csv, which is left out when its protein is not a target.
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
    files = locate_raw_files(raw_dir, data, use_extra_data=data.use_extra_data and EXTRA_TARGET in data.targets)
    tables = {file.source: open_raw_table(engine, file, data, work_dir=work_dir) for file in files}
    if TEST in tables and tables[TEST].columns.is_wide and not tables[TRAIN].columns.is_wide:
        raise InputError(
            f"The raw test file lacks the column {data.columns.protein}.",
            received=f"{tables[TEST].file.path}",
            expected="it, as the training file has it",
            action="Say what the column is called with --set data.columns.protein=NAME.",
        )
    for source, copy in (respelled or {}).items():
        engine.execute(f"CREATE OR REPLACE VIEW {source}_raw AS SELECT * FROM read_parquet({sql_pattern(copy)})")  # noqa: S608 - quoted
    blocks = collect_texts(engine, files, work_dir=work_dir)
    blocks = find_training_positions(engine, files[0], data=data, blocks=blocks)
    ruled = [file.source for file in files if create_checked_view(engine, file, data=data, blocks=blocks)]
    return RawInput(tables, blocks, frozenset(ruled).difference(respelled or ()))
