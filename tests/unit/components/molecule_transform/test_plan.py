"""plan_units deals every row to one shard, in order, in equal portions."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from belka.molecules import MoleculeShard
from belka.settings import DataSettings
from components.molecule_transform.plan import MIN_ROWS, MIN_SHARDS, plan_units


def settings(rows_per_shard: int, compression: str) -> DataSettings:
    # Without validation: so few rows per shard are for tests alone.
    return DataSettings().model_copy(update={"rows_per_shard": rows_per_shard, "compression": compression})


@given(st.lists(st.integers(0, 50), max_size=6), st.integers(1, 40))
def test_rows_are_dealt_once_in_order_and_evenly(sizes: list[int], rows_per_shard: int) -> None:
    shards = [MoleculeShard("train", Path(f"m{i}"), size) for i, size in enumerate(sizes)]
    units = [u for u in plan_units(shards, Path("e"), settings(rows_per_shard, "none")) if u.split == "train"]
    dealt = [(s.path, row) for unit in units for s in unit.sources for row in range(s.start, s.stop)]
    assert dealt == [(f"m{i}", row) for i, size in enumerate(sizes) for row in range(size)]
    rows = [unit.n_rows for unit in units]
    assert max(rows) <= rows_per_shard
    assert max(rows) - min(rows) <= 1
    assert len(units) == max(1, -(-sum(sizes) // rows_per_shard))


def test_names_say_split_number_and_compression() -> None:
    shards = [MoleculeShard("test", Path("m"), 3)]
    names = [unit.target for unit in plan_units(shards, Path("e"), settings(2, "gzip"))]
    assert names == [
        "e/Split-train/data_tfrecord-00000-of-00001.gz",
        "e/Split-validation/data_tfrecord-00000-of-00001.gz",
        "e/Split-test/data_tfrecord-00000-of-00002.gz",
        "e/Split-test/data_tfrecord-00001-of-00002.gz",
    ]


def test_a_large_split_has_several_shards_whatever_the_largest_shard() -> None:
    def n_shards(n_rows: int) -> int:
        units = plan_units([MoleculeShard("train", Path("m"), n_rows)], Path("e"), settings(10**9, "none"))
        return sum(unit.split == "train" for unit in units)

    assert n_shards(MIN_ROWS - 1) == 1
    assert n_shards(3 * MIN_ROWS) == 3
    assert n_shards(100 * MIN_SHARDS * MIN_ROWS) == MIN_SHARDS
