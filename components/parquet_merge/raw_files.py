"""A folder of raw files as a whole: is it usable, and which content does it have?"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from belka.machine import worker_count
from belka.raw_directory import locate_raw_files
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.checks import RejectedCount, check_rejected_share, rejected_counts
from components.parquet_merge.engine import open_engine
from components.parquet_merge.raw_data import open_raw_data


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
        files: One report a file: train, test, and extra where it is used.
        n_blocks: Number of distinct building blocks in train and test.
        n_test_only_blocks: Number of those the training file does not show.
    """

    files: tuple[FileReport, ...]
    n_blocks: int
    n_test_only_blocks: int


def raw_digest(raw_dir: Path) -> str:
    """Digest the content of the raw files: the cache key of everything made from them.

    The whole content is hashed, not samples of it: SHA-256 does about 1 GB/s, seconds for the full library, and a corrected label
    anywhere in the file must never be answered from the cache.

    Args:
        raw_dir: Folder of the raw files.

    Returns:
        `name=SHA-256` of every file, separated by spaces: it depends on names and content only, not on place or date.

    Raises:
        InputError: As `locate_raw_files`.
    """
    hashes = []
    for file in locate_raw_files(raw_dir, use_extra_data=True):
        with file.path.open("rb") as stream:
            hashes.append(f"{file.path.name}={hashlib.file_digest(stream, 'sha256').hexdigest()}")
    return " ".join(hashes)


def validate_raw_files(
    raw_dir: Path,
    *,
    data: DataSettings,
    system: SystemSettings,
) -> ValidationReport:
    """Check a folder of raw files as the merge would, without writing anything but temporary files.

    Args:
        raw_dir: Folder of the raw files.
        data: Targets, largest share of unusable rows, and whether DNA_Labeled_Data.csv is looked at.
        system: Memory budget and threads.

    Returns:
        The report.

    Raises:
        InputError: Whatever would stop the merge.
    """
    with tempfile.TemporaryDirectory(prefix="belka-validate-") as folder:
        work_dir = Path(folder)
        n_workers = worker_count(system.n_workers)
        engine = open_engine(memory_limit_gb=system.memory_limit_gb, n_workers=n_workers, temp_dir=work_dir / "duckdb")
        try:
            nothing_held_out = data.model_copy(update={"validation_block_share": 0.0})
            raw = open_raw_data(engine, raw_dir, data=nothing_held_out, seed=0, work_dir=work_dir)
            reports = []
            for table in raw.tables:
                counts = rejected_counts(engine, table)
                check_rejected_share(table, counts, max_rejected_share=data.max_rejected_share)
                reports.append(FileReport(table.source, table.file.path, table.n_rows, counts))
        finally:
            engine.close()
    n_blocks = len(raw.blocks.smiles)
    return ValidationReport(tuple(reports), n_blocks, n_blocks - int(raw.blocks.in_training.sum()))
