"""Counts of blocks and pairs are those of a dictionary, whatever the shards; damaged tables are told."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from belka.contract import Subset
from belka.errors import InputError
from belka.statistics.counts import BlockCounts, count_blocks
from belka.statistics.tally import Tally

SMILES = ["NCC", "CN", "OC=O", "C[N+](C)C", "Cl.CN"]
TARGETS = ("BRD4", "HSA")
Writer = Callable[..., Path]

block = st.one_of(st.none(), st.integers(0, len(SMILES) - 1))
row = st.tuples(
    st.sampled_from(["train", "train", "train", "validation", "test"]),
    st.tuples(block, block, block),
    st.tuples(st.sampled_from([0, 0, 1, 2]), st.sampled_from([0, 1, 2])),
)
BINDER = ("train", (0, 1, 2), (1, 2))


def counted_by_dictionary(rows: list[Any], splits: tuple[str, ...]) -> Counter[tuple[Any, ...]]:
    """(positions, SMILES, target, what) -> number, counted one row at a time."""
    found: Counter[tuple[Any, ...]] = Counter()
    for split, ids, labels in rows:
        if split not in splits:
            continue
        for positions in ((1,), (2,), (3,), (1, 2), (1, 3), (2, 3)):
            blocks = [ids[position - 1] for position in positions]
            if None in blocks:
                continue
            key = (positions, tuple(SMILES[i] for i in blocks))
            for target, label in zip(TARGETS, labels, strict=True):
                found[(*key, target, "molecules")] += 1
                found[(*key, target, "known")] += label != 2
                found[(*key, target, "hits")] += label == 1
    return +found


def as_dictionary(counts: BlockCounts) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for positions, part in counts.by_positions.items():
        for place in range(part.molecules.size):
            key = (positions, tuple(counts.smiles[blocks[place]] for blocks in part.blocks))
            for number, target in enumerate(TARGETS):
                found[(*key, target, "molecules")] = int(part.molecules[place])
                found[(*key, target, "known")] = int(part.known[place, number])
                found[(*key, target, "hits")] = int(part.hits[place, number])
    return +found


@given(rows=st.lists(row, max_size=40), n_shards=st.integers(1, 3), n_workers=st.integers(1, 2), all_rows=st.booleans())
@example(
    rows=[BINDER, ("train", (0, 1, None), (1, 0)), ("test", (0, 1, 2), (2, 2))], n_shards=1, n_workers=1, all_rows=False
)
@example(rows=[("validation", (0, 1, 2), (1, 1))], n_shards=2, n_workers=2, all_rows=False)
def test_counts_are_those_of_a_dictionary(
    molecules_writer: Writer, rows: list[Any], n_shards: int, n_workers: int, all_rows: bool
) -> None:
    subsets = (Subset.TRAIN, Subset.VALIDATION) if all_rows else (Subset.TRAIN,)
    splits = tuple(subset.split for subset in subsets)
    with TemporaryDirectory() as folder:
        table = molecules_writer(Path(folder), SMILES, rows, TARGETS, n_shards)
        counts = count_blocks(table, TARGETS, subsets=subsets, n_workers=n_workers)
    assert as_dictionary(counts) == counted_by_dictionary(rows, splits)
    assert counts.molecules == sum(split in splits for split, *_ in rows)
    for part in counts.by_positions.values():
        assert part.molecules.min(initial=1) >= 1
        order = list(zip(*([counts.smiles[i] for i in blocks] for blocks in part.blocks), strict=True))
        assert order == sorted(order)


def test_a_library_of_two_blocks_has_one_kind_of_pair(molecules_writer: Writer, tmp_path: Path) -> None:
    rows = [("train", (0, 1, None), (1, 0)), ("train", (0, 2, None), (0, 0))]
    counts = count_blocks(molecules_writer(tmp_path, SMILES, rows, TARGETS), TARGETS)
    sizes = {positions: part.molecules.size for positions, part in counts.by_positions.items()}
    assert sizes == {(1,): 1, (2,): 2, (3,): 0, (1, 2): 2, (1, 3): 0, (2, 3): 0}


@given(st.lists(st.lists(st.integers(0, 20), max_size=9), max_size=9), st.integers(1, 8))
def test_a_tally_counts_however_often_it_merges(parts: list[list[int]], pending: int) -> None:
    tally = Tally(pending)
    for part in parts:
        tally.add(np.array(part, np.int64))
    numbers, counts = tally.counts()
    assert dict(zip(numbers.tolist(), counts.tolist(), strict=True)) == Counter(x for part in parts for x in part)
    assert numbers.tolist() == sorted(numbers.tolist())


def _shard(folder: Path) -> Path:
    return folder / "Split-train" / "molecules-00000.parquet"


def _replaced(folder: Path, name: str, values: pa.Array) -> None:
    table = pq.read_table(_shard(folder))
    pq.write_table(table.set_column(table.schema.get_field_index(name), name, values), _shard(folder))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("block2_id", pa.array([5], pa.int32()), "block ids from 5 to 5"),
        ("block2_id", pa.array([-1], pa.int32()), "block ids from -1 to -1"),
        ("block2_id", pa.array(["1"]), "block ids of type string"),
        ("binds", pa.array([[1, 3]], pa.list_(pa.int8(), 2)), "the label 3"),
        ("binds", pa.array([[1, -1]], pa.list_(pa.int8(), 2)), "the label -1"),
        ("binds", pa.array([[1, None]], pa.list_(pa.int8(), 2)), "binds without a value"),
        ("binds", pa.array([None], pa.list_(pa.int8(), 2)), "Expected all lists to be of size=2"),
        ("binds", pa.array([[1, 0, 0]], pa.list_(pa.int8(), 3)), "binds of type fixed_size_list"),
        ("binds", pa.array([[1, 0]], pa.list_(pa.int64(), 2)), "binds of type fixed_size_list"),
    ],
)
def test_a_damaged_shard_is_told(
    molecules_writer: Writer, tmp_path: Path, name: str, values: pa.Array, message: str
) -> None:
    folder = molecules_writer(tmp_path, SMILES, [BINDER], TARGETS)
    _replaced(folder, name, values)
    with pytest.raises(InputError, match=message) as caught:
        count_blocks(folder, TARGETS)
    assert "molecules-00000.parquet" in str(caught.value)


def test_a_shard_whose_data_are_garbled_is_told(molecules_writer: Writer, tmp_path: Path) -> None:
    folder = molecules_writer(tmp_path, SMILES, [BINDER] * 50, TARGETS)
    whole = _shard(folder).read_bytes()
    _shard(folder).write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])
    with pytest.raises(InputError, match="damaged"):
        count_blocks(folder, TARGETS)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [(["CN", "CN", "C", "N", "O"], "two blocks of one"), ([None, "CN", "C", "N", "O"], "without")],
)
def test_blocks_need_a_smiles_of_their_own(
    molecules_writer: Writer, tmp_path: Path, blocks: list[str | None], message: str
) -> None:
    folder = molecules_writer(tmp_path, blocks, [BINDER], TARGETS)
    with pytest.raises(InputError, match=message):
        count_blocks(folder, TARGETS)


def test_an_absent_catalogue_is_told(molecules_writer: Writer, tmp_path: Path) -> None:
    folder = molecules_writer(tmp_path, SMILES, [BINDER], TARGETS)
    (folder / "blocks.parquet").unlink()
    with pytest.raises(InputError, match=r"blocks\.parquet"):
        count_blocks(folder, TARGETS)
