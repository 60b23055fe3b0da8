"""Records of one partition become molecules: what is counted, and which are drawn for validation."""

import numpy as np
import pyarrow as pa
import pytest

from belka.contract import EXTRA_TARGET, Subset
from belka.settings import DataSettings
from components.parquet_merge.group import MergedPartition, merge_partition
from components.parquet_merge.record_format import FLAG_BIT, RECORD_SCHEMA, TEST_SCHEMA
from components.parquet_merge.texts import Texts

TARGETS = ("BRD4", EXTRA_TARGET)


def table(schema: pa.Schema, rows: list[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def merged(
    train: list[tuple[object, ...]],
    extra: list[tuple[object, ...]] | None = None,
    test: list[tuple[object, ...]] | None = None,
    *,
    share: float = 0.0,
    seed: int = 1,
) -> MergedPartition:
    """Merge rows of (order key, SMILES, triple, bits, number of raw rows), in test with protein and id."""
    of_train, of_extra = (table(RECORD_SCHEMA, rows) for rows in (train, extra or []))
    testing = table(TEST_SCHEMA, test or [])
    return merge_partition(
        of_train,
        of_extra,
        testing,
        data=DataSettings(targets=TARGETS, validation_shared_share=share),
        seed=seed,
        training_texts=Texts(lambda: pa.concat_tables([of_train, of_extra])["smiles"]),
        test_texts=Texts(lambda: testing["smiles"]),
    )


def test_everything_is_counted_once() -> None:
    train: list[tuple[object, ...]] = [
        (1, "C", 3, 0b10_01, 2),  # BRD4 0, sEH 1
        (2, "N", 3, 0b00_01, 1),
        (2, "N", 4, 0b00_10, 1),
        (3, "O", 3, 0b00_10, 1),
    ]
    extra: list[tuple[object, ...]] = [(1, "C", 0, 0b01_00_00, 2), (4, "S", 0, 0b10_00_00, 1)]
    test: list[tuple[object, ...]] = [
        (1, "C", 3, 0, 1, 0, 5),
        (6, "F", 3, 0, 1, 0, 6),
        (6, "F", 3, 0, 1, 1, 7),
        (6, "F", 5, 0, 1, 1, 8),
    ]
    assert {name: number for name, number in merged(train, extra, test).counts.items() if number} == {
        "train_rows": 5,
        "train_pairs": 4,
        "extra_rows": 3,
        "extra_pairs_kept": 2,
        "molecules_in_train_and_extra": 1,
        "pairs_in_train_and_extra": 1,
        "molecules_with_several_block_triples": 2,
        "molecules/train/shared": 4,
        "labels/train/BRD4/0": 1,
        "labels/train/BRD4/1": 2,
        "labels/train/BRD4/2": 1,
        "labels/train/sEH/1": 2,
        "labels/train/sEH/2": 2,
        "conflicting_pairs": 2,
        "test_rows": 4,
        "test_pairs": 3,
        "test_pairs_absent/1": 1,
        "test_second_ids": 1,
        "molecules/test/shared": 2,
        "molecules_on_both_sides": 1,
    }


def test_of_nothing_nothing_is_counted() -> None:
    found = merged([])
    assert set(found.counts.values()) == {0}
    assert [len(molecules) for molecules in found.molecules.values()] == [0, 0, 0]


def splitmix64(state: int) -> int:
    """One draw of the generator as the paper has it, with Python's integers; the state is after its step."""
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
    return state ^ state >> 31


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_the_draw_for_validation_stays_what_it_was(seed: int) -> None:
    """The number in [0, 1) that a key and a seed draw decides, for training rows alone; held-out blocks win."""
    keys = np.random.default_rng(5).integers(0, 2**64, 200, dtype=np.uint64).tolist()
    flags = [1 << FLAG_BIT if i % 10 == 0 else 0 for i in range(200)]
    train: list[tuple[object, ...]] = [(key, f"C{i}", 3, 1 | flags[i], 1) for i, key in enumerate(keys[:150])]
    extra: list[tuple[object, ...]] = [(key, f"C{i}", 0, 1 << 4, 1) for i, key in enumerate(keys[150:], start=150)]
    found = merged(train, extra, share=0.3, seed=seed).molecules
    states = [(key + (2 * seed + 1) * 0x9E3779B97F4A7C15) % 2**64 for key in keys]
    number = [splitmix64(state) / 2**64 for state in states]
    expected = {i for i in range(150) if flags[i] or number[i] < 0.3}
    assert 40 < len(expected) < 75
    assert set(found[Subset.VALIDATION]["row"].to_pylist()) == expected
    assert set(found[Subset.TRAIN]["row"].to_pylist()) == set(range(200)) - expected
    assert {row["row"] for row in found[Subset.VALIDATION].to_pylist() if row["split_group"] == 1} == set(
        range(0, 150, 10)
    )
