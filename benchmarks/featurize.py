"""Fingerprints of a library: composed from building blocks beside RDKit's parse and ECFP, both on all cores."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa

from belka.chemistry.blocks.compose import ComposedEcfp, fingerprint_source
from belka.chemistry.direct import FingerprintSource
from belka.chemistry.fingerprints import FingerprintSettings
from belka.demo.generate import make_demo_data
from belka.molecules import list_shards, read_rows
from belka.settings import DataSettings, SystemSettings
from belka.workers import WorkerPool
from benchmarks.measurement import Comparison, measure
from components.block_fingerprints.learn import learn_block_fingerprints
from components.parquet_merge.merge import merge_raw_files

DEMO_MOLECULES: Final = 5_000
REFERENCE_MOLECULES: Final = 4_000
BATCH_ROWS: Final = 8192
REFERENCE_BATCH_ROWS: Final = 500
FINGERPRINT: Final = FingerprintSettings()


def compare_featurize(molecules: int, *, raw_dir: Path | None, n_workers: int) -> Comparison:
    """Compute the ECFP (2048 bits, radius 2, chirality) of a library in both ways.

    Args:
        molecules: Fingerprints to compose, at least BATCH_ROWS; the library's molecules are taken round and round.
        raw_dir: Raw files of a library; None = a demonstration library.
        n_workers: Processes of either way.

    Returns:
        Molecules per second: RDKit on some thousand molecules; the tables learnt and audited; composed.

    Raises:
        BelkaError: A composed fingerprint differs from RDKit's.
    """
    with TemporaryDirectory(prefix="belka-featurize-") as scratch:
        molecules_dir, tables_dir = Path(scratch) / "molecules", Path(scratch) / "tables"
        if raw_dir is None:
            raw_dir = Path(scratch) / "raw"
            make_demo_data(raw_dir, molecules=DEMO_MOLECULES)
        batches = list(_library(raw_dir, molecules_dir, n_workers))
        with WorkerPool(n_workers, _set_up, (None, molecules_dir)) as pool:
            parts = _pieces(batches, REFERENCE_MOLECULES, REFERENCE_BATCH_ROWS)
            reference, _ = measure("RDKit parse + ECFP", *_job(pool, parts, n_workers))
        learning, summary = measure(
            "tables: learn and audit",
            sum(batch.num_rows for batch in batches),
            "molecules",
            lambda: learn_block_fingerprints(molecules_dir, tables_dir, FINGERPRINT, n_workers=n_workers),
        )
        with WorkerPool(n_workers, _set_up, (tables_dir, molecules_dir)) as pool:
            parts = _pieces(batches, molecules, BATCH_ROWS)
            composed, n_composed = measure("composed", *_job(pool, parts, n_workers))
    audit = summary["audit"]
    return Comparison(
        f"{FINGERPRINT.description}; {n_workers} processes",
        reference,
        (learning, composed),
        (
            f"{n_composed:,} of {composed.items:,} fingerprints composed, the others computed directly",
            f"audit: {audit['n_composed']:,} composed fingerprints equal RDKit's",
            f"audit: at least {audit['least_per_block']} molecules of each of {audit['n_blocks']:,} blocks",
            "tables are learnt once per library, whatever its size; start of the processes not counted",
        ),
    )


def _library(raw_dir: Path, molecules_dir: Path, n_workers: int) -> Iterator[pa.RecordBatch]:
    """Merge the raw files and yield the columns that fingerprints are made of."""
    data = DataSettings(use_extra_data=False).model_copy(update={"max_rejected_share": 1.0})
    merge_raw_files(raw_dir, molecules_dir, data=data, system=SystemSettings(memory_limit_gb=2.0, n_workers=n_workers))
    for shard in list_shards(molecules_dir):
        yield from read_rows(shard.path, list(ComposedEcfp.columns), batch_rows=BATCH_ROWS)


def _pieces(batches: list[pa.RecordBatch], n_molecules: int, rows: int) -> list[tuple[pa.RecordBatch, int]]:
    """Cut into pieces of at most `rows`, each with how often it is used: `n_molecules` in all or a few less."""
    pieces = [batch.slice(start, rows) for batch in batches for start in range(0, batch.num_rows, rows)]
    total = sum(piece.num_rows for piece in pieces)
    if total <= n_molecules:
        return [(piece, n_molecules // total) for piece in pieces]
    ends = accumulate(piece.num_rows for piece in pieces)
    return [(piece, 1) for piece, end in zip(pieces, ends, strict=True) if end <= n_molecules]


def _job(
    pool: Executor, pieces: list[tuple[pa.RecordBatch, int]], n_workers: int
) -> tuple[int, str, Callable[[], int]]:
    """Start the workers, and return what `measure` needs to time them."""
    list(pool.map(_compute, [(pieces[0][0].slice(0, 1), 1)] * 4 * n_workers))
    items = sum(piece.num_rows * times for piece, times in pieces)
    return items, "molecules", lambda: sum(pool.map(_compute, pieces))


_SOURCES: list[FingerprintSource] = []  # of this worker process


def _set_up(tables_dir: Path | None, molecules_dir: Path) -> None:
    _SOURCES[:] = [fingerprint_source(FINGERPRINT, tables_dir, molecules_dir)]


def _compute(piece: tuple[pa.RecordBatch, int]) -> int:
    """Compute the fingerprints of a piece as often as asked, and return how many of them were composed."""
    batch, times = piece
    return sum(int(_SOURCES[0].compute(batch).composed.sum()) for _ in range(times))
