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
from components.parquet_merge import shards as shards_module
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


def test_row_groups_of_a_shard_read_each_partition_once(
    store: MergedStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shards_module, "ROW_GROUP_ROWS", 2)
    read = list[int]()

    def read_smiles(partition: int) -> pa.ChunkedArray:
        read.append(partition)
        return pa.chunked_array([pa.array([f"{partition}-{row}" for row in range(SIZES[partition])])])

    (task,) = plan_shards([(store, SharedTexts(read_smiles))], tmp_path, rows_per_shard=8)
    task.write()
    assert pq.read_metadata(task.path).num_row_groups == 4  # 0-0 0-1, 0-2 2-0, 2-1 2-2, 2-3 3-0
    assert pq.read_table(task.path)["smiles"].to_pylist() == [
        f"{p}-{row}" for p in (0, 2, 3) for row in range(SIZES[p])
    ]
    assert read == [0, 2, 3]


def test_what_a_shard_may_lack_and_how_its_columns_are_compressed(
    row: Callable[..., dict[str, Any]],
    write_raw: Callable[..., Path],
    merge: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> None:
    merge(write_raw(tmp_path / "raw", [row(1, "abc", "HSA", 0)], [row(9, "abc", "HSA")]), tmp_path / "out")
    file = pq.ParquetFile(tmp_path / "out" / "Split-train" / "molecules-00000.parquet")
    assert [field.name for field in file.schema_arrow if field.nullable] == [
        *("binds", "block1_id", "block2_id", "block3_id", "ids")
    ]
    columns = [file.metadata.row_group(0).column(i) for i in range(file.metadata.num_columns)]
    texts = {"smiles", "smiles_no_linker"}
    assert [column.compression for column in columns] == [
        "LZ4" if column.path_in_schema in texts else "ZSTD" for column in columns
    ]
