"""The merge of raw rows to molecules beside DuckDB's bare aggregation of the same training file."""

import hashlib
import shutil
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import DEFAULT_TARGETS, RAW_BLOCKS, RAW_LABEL, RAW_PROTEIN, RAW_SMILES, Subset
from belka.errors import InputError
from belka.queries import sql_pattern
from belka.workers import WorkerPool
from benchmarks.measurement import Comparison, Measurement, fastest, measure

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS_PER_SHARD: Final = 200_000
SEED: Final = 42


def compare_merge(
    raw_dir: Path, *, memory_limit_gb: float, n_workers: int, n_rounds: int, work_dir: Path | None
) -> Comparison:
    """Merge a folder, and aggregate its training file by the coded triple of blocks in DuckDB.

    The bare query checks nothing, reads the training file only, and returns a count. The second reference writes its
    result, as a merge has to. Each runs in a process of its own, with the same threads and memory limit; all in turn,
    round after round, and the fastest of each counts: what slows the machine down for a while hits all of them alike.

    Args:
        raw_dir: Folder of the raw files; the training file is parquet.
        memory_limit_gb: Memory budget of each, GB (10^9 bytes), >= 0.5.
        n_workers: Threads, >= 1.
        n_rounds: How often each is measured, >= 1.
        work_dir: Folder for temporary files and the output; None = the system's.

    Returns:
        Raw training rows per second of either.

    Raises:
        InputError: If the training file is not parquet.
    """
    train = raw_dir / "train.parquet"
    if not train.is_file():
        raise InputError(
            "The benchmark needs a parquet training file.",
            received=f"no train.parquet in {raw_dir}",
            expected="a folder of raw files in the BELKA format",
            action="Make one with `belka make-demo-data --molecules 100000 --out D`.",
        )
    n_rows = pq.read_metadata(train).num_rows
    with train.open("rb") as stream:  # into the page cache, so that the first way does not pay for the disk
        hashlib.file_digest(stream, "blake2b")
    with TemporaryDirectory(prefix="belka-benchmark-", dir=work_dir) as folder:
        scratch = Path(folder)
        query = partial(_aggregate, train, scratch, memory_limit_gb, n_workers)
        ways: dict[str, Callable[[], int]] = {
            "DuckDB, bare query": partial(query, None),
            "DuckDB, result written": partial(query, scratch / "written.parquet"),
            "ParquetMerge": partial(_merge, raw_dir, scratch, memory_limit_gb, n_workers),
        }
        rounds = []
        for _ in range(n_rounds):
            rounds.append([_measured(name, n_rows, work) for name, work in ways.items()])
            shutil.rmtree(scratch / "molecules")
    measurements = [[measurement for measurement, _ in runs] for runs in rounds]
    bare, written, merged = fastest(measurements)
    (_, n_triples), _, (_, n_molecules) = rounds[0]
    seconds = "; ".join(", ".join(f"{each.seconds:.1f}" for each in of_round) for of_round in measurements)
    notes = (
        f"the fastest of {n_rounds} rounds each (seconds of the three, round by round: {seconds})",
        f"{n_triples:,} distinct block triples in the query; {n_molecules:,} molecules with labels in the merge",
        f"time of ParquetMerge / bare query: {merged.seconds / bare.seconds:.2f}",
        f"time of ParquetMerge / query with its result written: {merged.seconds / written.seconds:.2f}",
    )
    return Comparison(f"Merge of {n_rows:,} training rows", bare, (written, merged), notes)


def _measured(name: str, n_rows: int, work: "Callable[[], int]") -> tuple[Measurement, int]:
    """Measure in a new process, so that no way inherits memory or warm caches of another; its start is not measured."""
    with WorkerPool(1) as executor:
        executor.submit(_warm_up).result()
        return measure(name, n_rows, "rows", executor.submit(work).result)


def _warm_up() -> None:
    import components.parquet_merge.merge  # noqa: F401 - importing is the point

    # pyarrow imports pandas, where it is installed, when it first hands an array to numpy.
    pa.array([0]).to_numpy()


def _aggregate(train: Path, scratch: Path, memory_limit_gb: float, n_workers: int, out: Path | None) -> int:
    """Aggregate in DuckDB; the number of groups, or of rows written."""
    import duckdb

    names = ", ".join(RAW_BLOCKS)
    limit = f"{int(memory_limit_gb * 1000)}MB"
    config = {"threads": n_workers, "memory_limit": limit, "temp_directory": str(scratch / "duckdb")}
    with duckdb.connect(config=config) as engine:
        source = f"read_parquet({sql_pattern(train)})"
        engine.execute(
            f"CREATE TYPE block AS ENUM (SELECT DISTINCT block FROM (SELECT unnest([{names}]) AS block FROM {source}))"  # noqa: S608
        )
        key = " + ".join(f"enum_code({name}::block)::BIGINT * {1 << (21 * i)}" for i, name in enumerate(RAW_BLOCKS))
        cases = " ".join(f"WHEN '{target}' THEN {4**i}" for i, target in enumerate(DEFAULT_TARGETS))
        query = (
            f"SELECT {key} AS triple, any_value({RAW_SMILES}) AS smiles, "  # noqa: S608 - names of ours and a given path
            f"bit_or(CASE {RAW_PROTEIN} {cases} END * (1 + {RAW_LABEL})) AS labels FROM {source} GROUP BY triple"
        )
        # Lengths and labels are summed up, so that the query cannot leave out the columns.
        counted = f"SELECT count(*), sum(strlen(smiles)), sum(labels) FROM ({query})"  # noqa: S608
        written = f"COPY ({query}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"
        return int(engine.execute(counted if out is None else written).fetchall()[0][0])


def _merge(raw_dir: Path, scratch: Path, memory_limit_gb: float, n_workers: int) -> int:
    """Merge with the settings of the pipeline; the number of training and validation molecules."""
    from belka.settings import DataSettings, SystemSettings
    from components.parquet_merge.merge import merge_raw_files

    summary = merge_raw_files(
        raw_dir,
        scratch / "molecules",
        data=DataSettings(use_extra_data=False, rows_per_shard=ROWS_PER_SHARD),
        system=SystemSettings(seed=SEED, memory_limit_gb=memory_limit_gb, n_workers=n_workers),
    )
    by_split = summary["molecules"]
    return sum(sum(by_split[subset.split].values()) for subset in (Subset.TRAIN, Subset.VALIDATION))
