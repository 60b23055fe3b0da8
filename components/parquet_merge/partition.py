"""First stage: raw rows become records, dealt out to partitions by the hash of their SMILES.

All rows of a molecule land in one partition whatever their place in the file, and a partition is made to fit in memory, so that the
second stage never sorts or groups more than one at a time. The SMILES stay here until they go into the shards.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from components.parquet_merge.engine import explained_errors, fetch_row
from components.parquet_merge.parallel import map_in_order, read_ahead
from components.parquet_merge.raw_tables import RawTable
from components.parquet_merge.records import RecordLayout, record_schema
from components.parquet_merge.training_reader import TrainingReader

logger = logging.getLogger(__name__)

BATCH_ROWS = 1 << 18
# Rows that are hashed, put in order and written together: fewer cost more calls, more cost memory.
GROUP_ROWS = 1 << 18
# Open files are limited (1,024 by default), and each partition is one.
MAX_PARTITIONS = 512
RECORD_OVERHEAD_BYTES = 40
# Measured on shuffled BELKA-like rows, where nothing can be merged before the spill: lz4 leaves 0.46 of the bytes.
SPILL_COMPRESSION = 0.6
# Measured on the shards of BELKA-like molecules: 0.57 of a record's bytes are left.
OUTPUT_COMPRESSION = 0.6
# What the second stage leaves of a molecule of three targets for the third: 25 bytes, 49 in test.
MERGED_BYTES = 50
SECONDS_BETWEEN_REPORTS = 10.0
# Groups of rows converted while the consumer writes those before; each takes 30 to 60 MB.
GROUPS_AHEAD = 1
TEXT = "smiles"
COMPRESSION = "lz4"


def mean_record_bytes(engine: Any, table: RawTable) -> float:
    """Estimate the size of a record in memory.

    Args:
        engine: DuckDB connection.
        table: The raw table.

    Returns:
        Bytes.
    """
    with explained_errors(f"reading {table.file.path}"):
        sql = f"SELECT coalesce(avg(strlen(smiles)), 0) FROM (SELECT smiles FROM {table.view} LIMIT 100000)"  # noqa: S608
        (mean_length,) = fetch_row(engine, sql)
    return float(mean_length) + RECORD_OVERHEAD_BYTES


def count_partitions(n_bytes: float, *, memory_limit_gb: float, n_workers: int) -> int:
    """Choose a number of partitions such that grouping one on each worker at a time stays within the memory budget.

    Args:
        n_bytes: Size of all records in memory, if no two rows are merged.
        memory_limit_gb: Memory budget of the process, GB.
        n_workers: Partitions that are worked on at once.

    Returns:
        A power of two from 1 to 512.
    """
    room = memory_limit_gb * 1e9 / (16 * n_workers)
    needed = max(n_bytes / room, 1.0)
    return int(min(2 ** np.ceil(np.log2(needed)), MAX_PARTITIONS))


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

        Args:
            records: Records of the source's schema.

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
            logger.info("%s: temporary files are compressed from here on", self._source)
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
        """Read one partition without the SMILES, which are most of it.

        Args:
            partition: Its number.

        Returns:
            The records, in the order they came.
        """
        return self._read(partition, [name for name in self.schema.names if name != TEXT])

    def read_smiles(self, partition: int) -> pa.ChunkedArray:
        """Read the SMILES of one partition.

        Args:
            partition: Its number.

        Returns:
            string[n], in the order of `read`, in the pieces in which they came.
        """
        return self._read(partition, [TEXT])[TEXT]

    def remove(self, partition: int) -> None:
        """Delete one partition's file.

        Args:
            partition: Its number.
        """
        for path in self._paths[partition]:
            path.unlink(missing_ok=True)

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


def partition_source(
    table: RawTable, layout: RecordLayout, partitions: Partitions, *, reader: TrainingReader | None, n_workers: int
) -> int:
    """Read the usable rows of a source once and deal them out.

    Args:
        table: The raw table, with a checked view in the engine of the layout.
        layout: How records are made.
        partitions: Where the records go; closed afterwards.
        reader: Reads the source; None = the checked view is queried.
        n_workers: Threads that make records, >= 1.

    Returns:
        The number of usable rows.
    """

    def make_records(batches: list[pa.RecordBatch]) -> tuple[int, pa.Table, npt.NDArray[np.intp]]:
        to_runs = reader.usable_runs if reader else partial(layout.to_runs, source=table.source)
        runs = pa.concat_tables([to_runs(batch) for batch in batches])
        n_rows = int(runs["n_rows"].to_numpy().sum())
        return n_rows, *partitions.arrange(layout.to_records(runs, table.source))

    batches = reader.batches() if reader else _query_batches(layout.engine, layout.select_sql(table.source))
    n_used, last_report = 0, time.monotonic()
    try:
        with explained_errors(f"reading {table.file.path}"):
            for n_rows, records, bounds in map_in_order(
                make_records, read_ahead(_groups(batches)), n_workers=n_workers, n_ahead=GROUPS_AHEAD
            ):
                n_used += n_rows
                partitions.add(records, bounds)
                if time.monotonic() - last_report > SECONDS_BETWEEN_REPORTS:
                    last_report = time.monotonic()
                    logger.info("%s: %s of %s rows read", table.source, f"{n_used:,}", f"{table.n_rows:,}")
    finally:
        partitions.close()
    return n_used


def estimate_spill_bytes(sizes: Sequence[tuple[int, float]]) -> int:
    """Estimate the disk space the partitions and the merged molecules without SMILES take at most.

    Args:
        sizes: Number of rows and mean bytes a record, by source.

    Returns:
        Bytes.
    """
    return int(sum(n_rows * (SPILL_COMPRESSION * n_bytes + MERGED_BYTES) for n_rows, n_bytes in sizes))


def estimate_output_bytes(sizes: Sequence[tuple[int, float]]) -> int:
    """Estimate the disk space the output takes at most, which is when each raw row is a molecule of its own.

    Args:
        sizes: Number of rows and mean bytes a record, by source.

    Returns:
        Bytes.
    """
    return int(OUTPUT_COMPRESSION * sum(n_rows * n_bytes for n_rows, n_bytes in sizes))


def _query_batches(engine: Any, sql: str) -> Iterator[pa.RecordBatch]:
    for batch in engine.sql(sql).to_arrow_reader(BATCH_ROWS):
        if batch.num_rows:
            yield batch


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(each.num_rows for each in group) >= GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group
