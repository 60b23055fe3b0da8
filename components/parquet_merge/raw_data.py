"""Raw files opened and checked: what the merge and the validation of a folder both start from."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from belka.contract import EXTRA_TARGET
from belka.raw_directory import locate_raw_files
from belka.settings import DataSettings
from components.parquet_merge.blocks import BlockTable, collect_blocks
from components.parquet_merge.checks import create_checked_view
from components.parquet_merge.engine import explained_errors
from components.parquet_merge.raw_tables import RawTable, open_raw_table
from components.parquet_merge.records import check_targets
from components.parquet_merge.repeated_ids import IdCheck, check_ids


@dataclass(frozen=True)
class RawData:
    """The raw files as checked views `<source>_checked` of an engine.

    Attributes:
        tables: The open files: train, test, and extra where it is used.
        blocks: The building blocks of train and test.
        ids: What is known about the ids, by source.
    """

    tables: tuple[RawTable, ...]
    blocks: BlockTable
    ids: dict[str, IdCheck]


def open_raw_data(
    engine: Any,
    raw_dir: Path,
    *,
    data: DataSettings,
    seed: int,
    work_dir: Path,
) -> RawData:
    """Locate the raw files, check their columns and define which rows can be used.

    Args:
        engine: DuckDB connection.
        raw_dir: Folder of the raw files.
        data: Targets, the share of training blocks to hold out, and whether to use DNA_Labeled_Data.csv, which is left out when
            its protein is not a target.
        seed: Seed of the draw of held-out blocks.
        work_dir: Existing folder for temporary files.

    Returns:
        The open files.

    Raises:
        InputError: If a file is missing, unreadable, or lacks a column.
    """
    targets = data.targets
    check_targets(targets)
    files = locate_raw_files(raw_dir, use_extra_data=data.use_extra_data and EXTRA_TARGET in targets)
    tables = tuple(open_raw_table(engine, file, work_dir=work_dir) for file in files)
    with ThreadPoolExecutor(1) as executor:
        checking = executor.submit(_check_ids, engine, tables)
        blocks = collect_blocks(
            engine, tables, seed=seed, validation_block_share=data.validation_block_share, work_dir=work_dir
        )
        ids = checking.result()
    for table in tables:
        create_checked_view(engine, table, targets=targets, blocks=blocks, ids_may_repeat=ids[table.source].may_repeat)
    return RawData(tables, blocks, ids)


def _check_ids(engine: Any, tables: Sequence[RawTable]) -> dict[str, IdCheck]:
    found = {}
    for table in tables:
        with explained_errors(f"reading {table.file.path}"):
            found[table.source] = check_ids(engine, table)
    return found
