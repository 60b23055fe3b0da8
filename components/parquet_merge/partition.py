"""First stage: raw rows become records, dealt out to partitions by the hash of their SMILES.

All rows of a molecule land in one partition whatever their place in the file, and a partition is made to fit in memory,
so that the second stage never sorts or groups more than one at a time. The SMILES stay here until they go into the
shards.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.progress import progress
from belka.queries import explained_errors, fetch_row
from belka.raw_directory import EXTRA, TEST, TRAIN, RawFile
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.blocks import block_codes
from components.parquet_merge.parallel import map_in_order, read_ahead
from components.parquet_merge.raw_input import RawInput
from components.parquet_merge.record_format import RUN_SCHEMA, join_runs, label_bits_sql, record_schema
from components.parquet_merge.refusals import RejectedCount, check_rejected, rejected_counts
from components.parquet_merge.spelling import TextSample, open_samples
from components.parquet_merge.training_reader import TrainingReader, can_read_directly
from components.parquet_merge.usable_smiles import IS_CUT_SQL
from components.parquet_merge.workspace import check_room, plain_spill_bytes

logger = logging.getLogger(__name__)

# Rows that are read, hashed, put in order and written together: fewer cost more calls, more cost memory.
BATCH_ROWS = 1 << 18
# Open files are limited (1,024 by default), and each partition is one.
MAX_PARTITIONS = 512
RECORD_OVERHEAD_BYTES = 40
# Measured on shuffled BELKA-like rows, where nothing can be merged before the spill: lz4 leaves 0.46 of the bytes.
SPILL_COMPRESSION = 0.6
# Measured on the shards of BELKA-like molecules: 0.57 of a record's bytes are left.
OUTPUT_COMPRESSION = 0.6
# What the second stage leaves of a molecule of three targets for the third: 25 bytes, 49 in test.
MERGED_BYTES = 50
# Groups of rows converted while the consumer writes those before; each takes 30 to 60 MB.
GROUPS_AHEAD = 1
TEXT = "smiles"
COMPRESSION = "lz4"


class Estimate(NamedTuple):
    """How much a merge will take at most, bytes.

    Attributes:
        records: All records in memory, if no two rows are merged.
        spill: On disk for the partitions and the merged molecules without SMILES.
        output: On disk for the output, when each raw row is a molecule of its own.
    """

    records: int
    spill: int
    output: int


class Dealt(NamedTuple):
    """What became of the raw rows.

    Attributes:
        partitions: The usable ones, by source, with the codes of the texts of their building blocks.
        rejected: Those that cannot be used.
        used_blocks: Source, train and test -> whether a used row has the text of a code, bool[n_texts + 1].
        names_cut: Number of used rows whose text held more than the SMILES, which was cut off.
        samples: A sample of the SMILES of each source.
    """

    partitions: dict[str, "Partitions"]
    rejected: list[RejectedCount]
    used_blocks: dict[str, npt.NDArray[np.bool_]]
    names_cut: int
    samples: dict[str, TextSample]


def partition_rows(
    engine: Any, raw: RawInput, *, data: DataSettings, system: SystemSettings, work_dir: Path, output_dir: Path
) -> "Dealt":
    """Deal out the usable rows of every source.

    Args:
        engine: DuckDB connection with the checked views.
        raw: The raw files.
        data: Targets, and the largest share of unusable rows.
        system: Seed of the order of molecules, memory budget and threads; `n_workers` is 1 or more.
        work_dir: Folder for the partitions.
        output_dir: Folder of the output, whose disk must have room for it.

    Returns:
        What became of the rows.

    Raises:
        InputError: If a file cannot be read, or too many of its rows cannot be used.
        RunAgainError: If there is no room on the disk.
    """
    estimate = estimate_bytes(engine, raw)
    check_room([(work_dir, estimate.spill), (output_dir, estimate.output)])
    limit, folder = system.memory_limit_gb, work_dir / "partitions"
    plain_bytes = plain_spill_bytes(work_dir, needed=estimate.spill + estimate.output, memory_limit_gb=limit)
    n_partitions = count_partitions(estimate.records, memory_limit_gb=limit, n_workers=system.n_workers)
    # Nearly all rows are those of training.
    partitions = {
        source: Partitions(folder, source, n_partitions, plain_bytes=plain_bytes if source == TRAIN else 0)
        for source in (TRAIN, TEST, EXTRA)
    }
    used = {source: raw.blocks.codes(frozenset()) for source in (TRAIN, TEST)}
    records = Records(engine, system.seed, data, used)
    samples = open_samples(raw.n_rows)
    rejected: list[RejectedCount] = []
    for file in raw.files:
        n_rows = raw.n_rows[file.source]
        logger.info("Reading %s (%s rows).", file.path, f"{n_rows:,}")
        table = raw.tables[file.source]
        is_direct = file.source in raw.ruled_by_row and can_read_directly(table)
        reader = None
        if is_direct:
            # Answered by the statistics of the file, where it has them.
            with explained_errors(f"reading {file.path}"):
                (has_bad_ids,) = fetch_row(engine, "SELECT count(*) > 0 FROM train_raw WHERE id IS NULL OR id < 0")
            reader = TrainingReader(table, data, raw.blocks, checks_ids=has_bad_ids, names_cut=records.names_cut)
        n_used = _partition_source(
            file,
            n_rows,
            records,
            partitions[file.source],
            samples[file.source],
            reader=reader,
            n_workers=system.n_workers,
        )
        counts = rejected_counts(engine, file) if n_used < n_rows else ()
        check_rejected(engine, file, n_rows, counts, data=data)
        rejected += counts
    return Dealt(partitions, rejected, used, sum(records.names_cut), samples)


def estimate_bytes(engine: Any, raw: RawInput) -> Estimate:
    """Estimate what a merge takes from the lengths of the first SMILES of each file.

    Args:
        engine: DuckDB connection.
        raw: The raw files.
    """
    records = 0.0
    for file in raw.files:
        first = f"SELECT smiles FROM {file.source}_raw LIMIT 100000"  # noqa: S608 - a name of ours
        with explained_errors(f"reading {file.path}"):
            (length,) = fetch_row(engine, f"SELECT coalesce(avg(strlen(smiles)), 0) FROM ({first})")  # noqa: S608
        records += raw.n_rows[file.source] * (length + RECORD_OVERHEAD_BYTES)
    n_rows = sum(raw.n_rows.values())
    return Estimate(
        int(records), int(SPILL_COMPRESSION * records + MERGED_BYTES * n_rows), int(OUTPUT_COMPRESSION * records)
    )


def count_partitions(n_bytes: float, *, memory_limit_gb: float, n_workers: int) -> int:
    """Choose a power of two of partitions, at most 512, so that grouping one per worker stays within the memory budget.

    Args:
        n_bytes: Size of all records in memory, if no two rows are merged.
        memory_limit_gb: Memory budget of the process, GB.
        n_workers: Partitions that are worked on at once.
    """
    room = memory_limit_gb * 1e9 / (16 * n_workers)
    needed = max(n_bytes / room, 1.0)
    return int(min(2 ** np.ceil(np.log2(needed)), MAX_PARTITIONS))


@dataclass(frozen=True)
class Records:
    """Makes records of the usable rows.

    Attributes:
        engine: DuckDB connection, whose hash of a SMILES is the order key.
        seed: Seed of the order of molecules.
        data: Targets, and what the labels are.
        used_blocks: Source, train and test -> whether a record has the text of a code, bool[n_texts + 1]; set here.
        names_cut: Receives the numbers of rows of `runs` whose text held more than the SMILES.
    """

    engine: Any
    seed: int
    data: DataSettings
    used_blocks: Mapping[str, npt.NDArray[np.bool_]]
    names_cut: list[int] = field(default_factory=list)

    def rows(self, source: str) -> pa.RecordBatchReader:
        """Read the usable rows of a source: smiles, is_cut, triple, bits, for test also protein_code and id."""
        test_columns = ", protein_code, id" if source == TEST else ""
        return self.engine.sql(
            f"SELECT smiles, {IS_CUT_SQL} AS is_cut, triple, {label_bits_sql(source, self.data)} AS bits{test_columns} "  # noqa: S608 - names of ours
            f"FROM {source}_checked WHERE reason IS NULL"
        ).to_arrow_reader(BATCH_ROWS)

    def runs(self, rows: pa.RecordBatch, source: str) -> pa.Table:
        """Join neighbouring rows of one molecule to RUN_SCHEMA; in test each row stays, with its protein_code and id.

        Args:
            rows: A batch of `rows`.
            source: `train`, `test` or `extra`.
        """
        self.names_cut.append(rows["is_cut"].true_count)
        triple, bits = rows["triple"].to_numpy(), rows["bits"].to_numpy()
        codes = [np.arange(len(rows)) if source == TEST else triple]
        starts, smiles, bits, n_rows = join_runs(rows["smiles"], codes, bits)
        runs = pa.Table.from_arrays([smiles, *map(pa.array, (triple[starts], bits, n_rows))], schema=RUN_SCHEMA)
        if source == TEST:
            runs = runs.append_column("protein_code", rows["protein_code"]).append_column("id", rows["id"])
        return runs

    def of_runs(self, runs: pa.Table, source: str) -> pa.Table:
        """Turn runs into records of RECORD_SCHEMA or TEST_SCHEMA: the order key is added, and their blocks are noted.

        May be called on several threads at once.

        Args:
            runs: Runs of one or several batches.
            source: `train`, `test` or `extra`.
        """
        if source != EXTRA:
            for codes in block_codes(runs["triple"].to_numpy()):
                self.used_blocks[source][codes] = True
        return runs.add_column(0, "order_key", self._order_keys(runs["smiles"])).cast(record_schema(source))

    def _order_keys(self, smiles: pa.ChunkedArray) -> pa.ChunkedArray:
        # A cursor of its own: threads must not share a connection.
        with self.engine.cursor() as cursor:
            cursor.register("texts", pa.table({"smiles": smiles}))
            return cursor.sql(f"SELECT hash(smiles, {self.seed}::BIGINT) AS key FROM texts").to_arrow_table()["key"]  # noqa: S608 - a number


class Partitions:
    """The partition files of one source.

    Args:
        folder: Folder for the files; made when needed.
        source: `train`, `test` or `extra`.
        n_partitions: A power of two.
        plain_bytes: Records written as they are, bytes; those that follow are compressed.
    """

    def __init__(self, folder: Path, source: str, n_partitions: int, *, plain_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.schema = record_schema(source)
        self.n_partitions = n_partitions
        self._folder, self._source = folder, source
        self._plain_bytes_left, self._compression = plain_bytes, None if plain_bytes > 0 else COMPRESSION
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        # Not asked of the file system: a partition that was removed too early must be an error, not empty.
        self._paths: list[list[Path]] = [[] for _ in range(n_partitions)]
        self._shift = np.uint64(64 - (n_partitions.bit_length() - 1))

    def arrange(self, records: pa.Table) -> tuple[pa.Table, npt.NDArray[np.intp]]:
        """Put records in the order of their partitions; may be called on several threads at once.

        Returns:
            The records, and n_partitions + 1 bounds of the partitions in them.
        """
        records = records.combine_chunks()
        if self.n_partitions == 1:
            return records, np.array([0, len(records)])
        partition = (records["order_key"].to_numpy() >> self._shift).astype(np.uint16)
        order = np.argsort(partition, kind="stable")
        bounds = np.concatenate(([0], np.cumsum(np.bincount(partition, minlength=self.n_partitions))))
        return pc.take(records, pa.array(order), boundscheck=False), bounds

    def add(self, records: pa.Table, bounds: npt.NDArray[np.intp]) -> None:
        """Write records to the files.

        Args:
            records: Records in the order of their partitions.
            bounds: As `arrange` gives them.
        """
        if self._compression is None and self._plain_bytes_left <= 0:
            logger.info("%s: temporary files are compressed from here on.", self._source)
            self.close()
            self._compression = COMPRESSION
        for i in range(self.n_partitions):
            if bounds[i + 1] > bounds[i]:
                self._write(i, records.slice(bounds[i], bounds[i + 1] - bounds[i]))
        self._plain_bytes_left -= records.nbytes

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def read(self, partition: int) -> pa.Table:
        """Read one partition, in the order its records came, without the SMILES, which are most of it."""
        return self._read(partition, [name for name in self.schema.names if name != TEXT])

    def read_smiles(self, partition: int) -> pa.ChunkedArray:
        """Read the SMILES of one partition, in the order of `read`, in the pieces in which they came."""
        return self._read(partition, [TEXT])[TEXT]

    def remove(self, partition: int) -> None:
        """Delete the files of one partition, of which nothing can be read any more."""
        for path in self._paths[partition]:
            path.unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Delete all files."""
        for partition in range(self.n_partitions):
            self.remove(partition)

    def _read(self, partition: int, columns: Sequence[str]) -> pa.Table:
        # Without threads: decompressing the many small batches takes less time than handing them out.
        options = pa.ipc.IpcReadOptions(
            included_fields=[self.schema.get_field_index(name) for name in columns], use_threads=False
        )
        tables = [self.schema.empty_table().select(columns)]
        for path in self._paths[partition]:
            # Mapped, what is not compressed is not copied; a partition fits into the memory budget.
            with pa.memory_map(str(path)) as stream, pa.ipc.open_stream(stream, options=options) as reader:
                tables.append(reader.read_all())
        return pa.concat_tables(tables)

    def _write(self, partition: int, records: pa.Table) -> None:
        writer = self._writers.get(partition)
        if writer is None:
            paths = self._paths[partition]
            paths.append(self._folder / f"{self._source}-{partition:05d}-{len(paths)}.arrow")
            options = pa.ipc.IpcWriteOptions(compression=self._compression)
            writer = self._writers[partition] = pa.ipc.new_stream(str(paths[-1]), self.schema, options=options)
        writer.write_table(records)


def read_smiles(sources: Sequence[Partitions], partition: int) -> pa.ChunkedArray:
    """Read the SMILES, string[n], of one partition of several sources, one source after the other."""
    chunks = [chunk for source in sources for chunk in source.read_smiles(partition).chunks]
    return pa.chunked_array(chunks, pa.string())


def _partition_source(
    file: RawFile,
    n_rows: int,
    records: Records,
    partitions: Partitions,
    sample: TextSample,
    *,
    reader: TrainingReader | None,
    n_workers: int,
) -> int:
    """Read the usable rows of a source once, by SQL where there is no other reader, and deal them out; their number."""

    def arranged(batches: list[pa.RecordBatch]) -> tuple[int, pa.Table, npt.NDArray[np.intp]]:
        to_runs = reader.usable_runs if reader else partial(records.runs, source=file.source)
        runs = pa.concat_tables(map(to_runs, batches))
        return int(runs["n_rows"].to_numpy().sum()), *partitions.arrange(records.of_runs(runs, file.source))

    n_used = 0
    try:
        with explained_errors(f"reading {file.path}"), progress(f"reading {file.source}", "rows", n_rows) as done:
            groups = read_ahead(reader.groups() if reader else ([rows] for rows in records.rows(file.source)))
            for n_group, table, bounds in map_in_order(arranged, groups, n_workers=n_workers, n_ahead=GROUPS_AHEAD):
                n_used += n_group
                sample.add(table)
                partitions.add(table, bounds)
                done.add(n_group)
    finally:
        partitions.close()
    return n_used
