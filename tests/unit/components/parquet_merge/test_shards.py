"""SMILES stay in the partitions until a shard takes them: which ones a shard needs, and how often each is read."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from belka.contract import Subset
from components.parquet_merge.record_format import merged_schema
from components.parquet_merge.shards import MergedStore, ShardTask, SharedTexts, plan_shards

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

    def read_smiles(partition: int) -> pa.ChunkedArray:
        assert partition not in removed
        read.append(partition)
        return pa.chunked_array([pa.array([f"{partition}-{row}" for row in range(SIZES[partition])])])

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


def test_training_shards_wait_for_slow_validation_shards_which_read_the_same_partitions(
    row: Callable[..., dict[str, Any]],
    write_raw: Callable[..., Path],
    merge: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    write = ShardTask.write

    def slow_validation(task: ShardTask) -> None:
        if task.store.subset is Subset.VALIDATION:
            sleep(0.3)
        write(task)

    monkeypatch.setattr(ShardTask, "write", slow_validation)
    rows = [row(i, "abc", "HSA", 0, molecule_smiles=f"N[Dy]{i}") for i in range(60)]
    raw_dir = write_raw(tmp_path / "raw", rows, [row(99, "abc", "HSA")])
    merge(raw_dir, tmp_path / "out", validation_shared_share=0.5, n_workers=4)
    shards = (tmp_path / "out").glob("Split-*/*.parquet")
    found = pa.concat_tables([pq.read_table(path, columns=["smiles"]) for path in shards])["smiles"].to_pylist()
    assert sorted(found) == sorted([*(each["molecule_smiles"] for each in rows), "N[Dy]abc"])
