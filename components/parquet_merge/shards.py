"""Third stage: the molecules of a split, in order, become evenly sized parquet shards."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from belka.contract import (
    BINDS,
    BLOCK_IDS,
    IDS,
    LINKER,
    LINKER_REPLACEMENT,
    MOLECULE_ID,
    SMILES,
    SMILES_NO_LINKER,
    SPLIT_GROUP,
    SUBSET,
    Subset,
    split_folder,
)
from belka.progress import progress
from belka.raw_directory import EXTRA, TEST, TRAIN
from components.parquet_merge.blocks import block_codes
from components.parquet_merge.parallel import map_in_order
from components.parquet_merge.partition import Partitions, read_smiles
from components.parquet_merge.record_format import labels_of, merged_schema

logger = logging.getLogger(__name__)

ROW_GROUP_ROWS = 1 << 16
NO_BLOCK_CODE = 0
TEXTS = (SMILES, SMILES_NO_LINKER)
# As small and as fast to write as snappy, and read in half the time. zstd leaves 18 bytes per SMILES in place of 32,
# for a third more time of what was the largest single cost of a merge.
TEXT_COMPRESSION = "lz4"


def write_shards(
    stores: Sequence["MergedStore"],
    partitions: Mapping[str, Partitions],
    output_dir: Path,
    *,
    rows_per_shard: int,
    n_workers: int,
) -> None:
    """Write the shards; those of training come last and remove the partitions as they go.

    Args:
        stores: The merged molecules of each subset, in the order of molecule ids.
        partitions: The records of each source, for their SMILES.
        output_dir: Folder of the artifact.
        rows_per_shard: Upper bound of rows in a shard, >= 1.
        n_workers: Threads, >= 1.
    """

    def remove(partition: int) -> None:
        for source in (TRAIN, EXTRA):
            partitions[source].remove(partition)

    training = partial(read_smiles, (partitions[TRAIN], partitions[EXTRA]))
    texts = {
        Subset.VALIDATION: SharedTexts(training),
        Subset.TEST: SharedTexts(partial(read_smiles, (partitions[TEST],))),
        Subset.TRAIN: SharedTexts(training, remove),
    }
    with_texts = [(store, texts[store.subset]) for store in stores]
    tasks = plan_shards(with_texts, output_dir, rows_per_shard=rows_per_shard)
    logger.info("Writing %d shards.", len(tasks))
    # Validation reads the partitions that training removes: all of its shards are written before the first of training.
    with progress("writing molecules", "molecules", sum(store.n_rows for store in stores)) as done:
        for is_training in (False, True):
            some = [task for task in tasks if (task.store.subset is Subset.TRAIN) is is_training]
            written = map_in_order(ShardTask.write, some, n_workers=n_workers, n_ahead=n_workers)
            for task, _ in zip(some, written, strict=True):
                done.add(task.stop - task.start)


def molecules_schema(n_targets: int) -> pa.Schema:
    """Schema of every shard of the molecules table."""
    return pa.schema(
        [
            pa.field(MOLECULE_ID, pa.int64(), nullable=False),
            pa.field(SMILES, pa.string(), nullable=False),
            pa.field(SMILES_NO_LINKER, pa.string(), nullable=False),
            pa.field(BINDS, pa.list_(pa.int8(), n_targets)),
            pa.field(SUBSET, pa.int8(), nullable=False),
            pa.field(SPLIT_GROUP, pa.int8(), nullable=False),
            *(pa.field(name, pa.int32()) for name in BLOCK_IDS),
            pa.field(IDS, pa.list_(pa.int64(), n_targets)),
        ]
    )


class MergedStore:
    """The merged molecules of one subset on disk without their SMILES, in the order of molecule ids.

    Args:
        path: The file.
        subset: The subset.
        n_targets: Number of targets.
    """

    def __init__(self, path: Path, subset: Subset, n_targets: int) -> None:
        self.path, self.subset, self.n_targets = path, subset, n_targets
        self._writer = pa.ipc.new_file(str(path), merged_schema(subset, n_targets))
        self._ends: list[int] = []
        self._partition_ends: list[int] = []

    @property
    def n_rows(self) -> int:
        """Number of molecules added."""
        return self._ends[-1] if self._ends else 0

    def add(self, table: pa.Table) -> None:
        """Add the molecules of the next partition, rows of `merged_schema`."""
        for batch in table.to_batches(max_chunksize=ROW_GROUP_ROWS):
            if batch.num_rows:
                self._writer.write_batch(batch)
                self._ends.append(self.n_rows + batch.num_rows)
        self._partition_ends.append(self.n_rows)

    def close(self) -> None:
        """Finish the file; rows can be read from now on."""
        self._writer.close()

    def read(self, start: int, stop: int) -> pa.Table:
        """Read the molecules of rows `start` to `stop` - 1, counted from 0."""
        first = int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, stop, side="left"))
        offset = self._ends[first - 1] if first else 0
        with pa.OSFile(str(self.path)) as stream, pa.ipc.open_file(stream) as reader:
            table = pa.Table.from_batches([reader.get_batch(i) for i in range(first, last + 1)])
        return table.slice(start - offset, stop - start)

    def partitions(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Tell from which partitions rows `start` to `stop` - 1 come: each partition and its number of rows."""
        ends = np.clip(self._partition_ends, start, stop)
        n_rows = np.diff(np.concatenate(([start], ends)))
        return [(int(partition), int(n_rows[partition])) for partition in np.flatnonzero(n_rows)]


class SharedTexts:
    """The SMILES of partitions for shards written at the same time: one at the border of two shards is read once.

    Args:
        read: Reads the SMILES of a partition.
        remove: Removes a partition that no shard needs any more; None = it is kept.
    """

    def __init__(self, read: Callable[[int], pa.ChunkedArray], remove: Callable[[int], None] | None = None) -> None:
        self._read, self._remove = read, remove
        self._n_readers: Counter[int] = Counter()
        self._shared: dict[int, pa.Array] = {}
        self._lock = Lock()

    def expect(self, partitions: Iterable[int]) -> None:
        """Announce that a shard will read some partitions, each once."""
        self._n_readers.update(partitions)

    def read(self, partition: int) -> pa.Array:
        """Read the SMILES of a partition; may be called on several threads at once."""
        with self._lock:
            smiles = self._shared.get(partition)
        if smiles is None:
            smiles = self._read(partition).combine_chunks()
        with self._lock:
            self._n_readers[partition] -= 1
            if self._n_readers[partition] > 0:
                self._shared[partition] = smiles
                return smiles
            self._shared.pop(partition, None)
        if self._remove:
            self._remove(partition)
        return smiles


@dataclass(frozen=True)
class ShardTask:
    """One shard to write.

    Attributes:
        store: The merged molecules of its subset.
        texts: Their SMILES.
        start: First row of the shard in the store.
        stop: Row after the last.
        first_molecule_id: Id of the first row.
        path: The parquet file.
    """

    store: MergedStore
    texts: SharedTexts
    start: int
    stop: int
    first_molecule_id: int
    path: Path

    def write(self) -> None:
        """Write the shard."""
        schema = molecules_schema(self.store.n_targets)
        # Row groups are in the order of partitions: the last one read is enough to read each once.
        read_smiles = lru_cache(maxsize=1)(self.texts.read)
        # Parquet has a name of its own for what a list holds.
        names = [f"{name}.list.element" if name in {BINDS, IDS} else name for name in schema.names]
        with pq.ParquetWriter(
            self.path,
            schema,
            compression={name: TEXT_COMPRESSION if name in TEXTS else "zstd" for name in names},
            use_dictionary=[SUBSET, SPLIT_GROUP, *BLOCK_IDS],
            column_encoding={MOLECULE_ID: "DELTA_BINARY_PACKED"},
            write_statistics=[MOLECULE_ID],
            write_batch_size=ROW_GROUP_ROWS,
        ) as writer:
            for start in range(self.start, self.stop, ROW_GROUP_ROWS):
                stop = min(start + ROW_GROUP_ROWS, self.stop)
                merged = self.store.read(start, stop)
                smiles = _take_smiles(merged["row"].to_numpy(), self.store.partitions(start, stop), read_smiles)
                first_id = self.first_molecule_id + start - self.start
                writer.write_table(molecules_table(smiles, merged, self.store.subset, first_id, self.store.n_targets))


def plan_shards(
    stores: Sequence[tuple[MergedStore, SharedTexts]], output_dir: Path, *, rows_per_shard: int
) -> list[ShardTask]:
    """Cut each split into shards whose sizes differ by one row at most, make its folder, and return a task per shard.

    Args:
        stores: The merged molecules and their SMILES, in the order of molecule ids.
        output_dir: Folder of the artifact.
        rows_per_shard: Upper bound of rows in a shard, >= 1.
    """
    tasks: list[ShardTask] = []
    first_id = 0
    for store, texts in stores:
        folder = output_dir / split_folder(store.subset.split)
        folder.mkdir()
        n_shards = -(-store.n_rows // rows_per_shard)
        for i in range(n_shards):
            start, stop = (store.n_rows * i // n_shards, store.n_rows * (i + 1) // n_shards)
            texts.expect(partition for partition, _ in store.partitions(start, stop))
            tasks.append(ShardTask(store, texts, start, stop, first_id + start, folder / f"molecules-{i:05d}.parquet"))
        first_id += store.n_rows
    return tasks


def _block_ids(codes: npt.NDArray[np.int64]) -> pa.Array:
    is_absent = codes == NO_BLOCK_CODE
    # A mask that masks nothing costs as much as all the rest.
    return pa.array((codes - 1).astype(np.int32), mask=is_absent if is_absent.any() else None)


def _take_smiles(
    rows: npt.NDArray[np.int64], partitions: list[tuple[int, int]], read_smiles: Callable[[int], pa.Array]
) -> pa.Array:
    pieces, start = [], 0
    for partition, n_rows in partitions:
        # The rows are ours: no need to check that each is within the partition.
        pieces.append(pc.take(read_smiles(partition), pa.array(rows[start : start + n_rows]), boundscheck=False))
        start += n_rows
    return pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)


def molecules_table(
    smiles: pa.Array, merged: pa.Table, subset: Subset, first_molecule_id: int, n_targets: int
) -> pa.Table:
    """Turn merged molecules into rows of `molecules_schema`.

    Args:
        smiles: SMILES of the molecules, string[n].
        merged: Rows of `merged_schema`.
        subset: Their subset.
        first_molecule_id: Id of the first row.
        n_targets: Number of targets.
    """
    n = len(merged)
    binds = labels_of(merged["bits"].to_numpy(), n_targets)
    blocks = [_block_ids(codes) for codes in block_codes(merged["triple"].to_numpy())]
    if subset is Subset.TEST:
        by_target = pa.concat_arrays([merged[f"id_{i}"].combine_chunks() for i in range(n_targets)])
        ids = by_target.take(pa.array(np.arange(n * n_targets).reshape(n_targets, n).T.ravel()))
    else:
        ids = pa.nulls(n * n_targets, pa.int64())
    columns = [
        pa.array(np.arange(first_molecule_id, first_molecule_id + n)),
        smiles,
        pc.replace_substring(smiles, LINKER, LINKER_REPLACEMENT),
        pa.FixedSizeListArray.from_arrays(pa.array(binds.ravel()), n_targets),
        pa.array(np.full(n, subset, dtype=np.int8)),
        merged["split_group"],
        *blocks,
        pa.FixedSizeListArray.from_arrays(ids, n_targets),
    ]
    return pa.Table.from_arrays(columns, schema=molecules_schema(n_targets))
