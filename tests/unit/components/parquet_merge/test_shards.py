"""SMILES stay in the partitions until a shard takes them: which partitions a shard needs, and how often each is read."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from components.data_contract import Subset
from components.parquet_merge.molecules import merged_schema
from components.parquet_merge.shards import MergedStore, SharedTexts, plan_shards

SIZES = [3, 0, 4, 1]


@pytest.fixture(name="store")
def fixture_store(tmp_path: Path) -> MergedStore:
    store = MergedStore(tmp_path / "store.arrow", Subset.TRAIN, 3)
    schema = merged_schema(Subset.TRAIN, 3)
    for n_rows in SIZES:
        store.add(pa.table([pa.array(range(n_rows), field.type) for field in schema], schema=schema))
    store.close()
    return store


def test_a_range_of_molecules_comes_from_the_partitions_that_hold_it(store: MergedStore) -> None:
    origin = [(partition, row) for partition, n_rows in enumerate(SIZES) for row in range(n_rows)]
    for start in range(len(origin)):
        for stop in range(start + 1, len(origin) + 1):
            wanted = origin[start:stop]
            counted = Counter(partition for partition, _ in wanted)
            assert store.partitions(start, stop) == sorted(counted.items())
            assert store.read(start, stop)["row"].to_pylist() == [row for _, row in wanted]


def test_each_partition_is_read_once_and_removed_after_its_last_shard(store: MergedStore, tmp_path: Path) -> None:
    read, removed = list[int](), list[int]()

    def read_smiles(partition: int) -> pa.Array:
        assert partition not in removed
        read.append(partition)
        return pa.array([f"{partition}-{row}" for row in range(SIZES[partition])])

    texts = SharedTexts(read_smiles, removed.append)
    tasks = plan_shards([(store, texts)], tmp_path, rows_per_shard=2)
    assert [(task.start, task.stop) for task in tasks] == [(0, 2), (2, 4), (4, 6), (6, 8)]
    needed = [[partition for partition, _ in store.partitions(task.start, task.stop)] for task in tasks]
    assert needed == [[0], [0, 2], [2], [2, 3]]
    gone_after = [[], [0], [0], [0, 2, 3]]
    for partitions, gone in zip(needed, gone_after, strict=True):
        for partition in partitions:
            assert texts.read(partition)[0].as_py() == f"{partition}-0"
        assert removed == gone
    assert read == [0, 2, 3]
