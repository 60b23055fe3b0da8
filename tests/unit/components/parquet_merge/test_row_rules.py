"""The proof that ids do not repeat, against Python's set."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belka.raw_directory import RawFile
from belka.raw_table import open_raw_table
from belka.settings import DataSettings
from components.parquet_merge import row_rules
from components.parquet_merge.row_rules import ids_repeat

TEXT = pa.string()
AnyId = int | None


def check(ids: list[AnyId], kind: pa.DataType) -> bool:
    """Ids of a test file in parquet, whole numbers of some type; or in CSV, where all values are text."""
    others = {f"buildingblock{i}_smiles": ["C"] * len(ids) for i in (1, 2, 3)}
    columns = {
        "id": pa.array(ids, pa.int64()),
        **others,
        "molecule_smiles": ["C"] * len(ids),
        "protein_name": ["HSA"] * len(ids),
    }
    table = pa.table(columns)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as engine:
        path = Path(folder) / ("test.csv" if kind == TEXT else "test.parquet")
        if kind == TEXT:
            table.to_pandas().astype({"id": "Int64"}).to_csv(path, index=False)
        else:
            pq.write_table(
                table.set_column(0, "id", table["id"].cast(kind)), path, row_group_size=max(5, len(ids) // 10)
            )
        open_raw_table(engine, RawFile("test", path), DataSettings(), work_dir=Path(folder))
        return ids_repeat(engine, "test")


@settings(deadline=None, max_examples=60)
@given(
    ids=st.lists(st.one_of(st.integers(-2, 40), st.none()), min_size=1, max_size=12),
    kind=st.sampled_from([pa.int64(), pa.int32(), TEXT]),
)
def test_equals_a_set(ids: list[AnyId], kind: pa.DataType) -> None:
    counted = [i for i in ids if i is not None and i >= 0]
    assert check(ids, kind) == (len(set(counted)) < len(counted))


def test_ids_without_a_sign() -> None:
    assert not check([3, 1, 2], pa.uint64())
    assert check([3, 1, 3], pa.uint64())


@pytest.mark.parametrize("to_ids", [list, lambda ids: [*reversed(ids)]], ids=["in order", "in reverse"])
def test_many_batches(to_ids: Callable[[range], list[AnyId]]) -> None:
    assert not check(to_ids(range(200_000)), pa.int64())


def test_repeat_far_apart_and_wide_ranges() -> None:
    assert not check([5, *range(100, 3000), 6], pa.int64())
    assert check([5, *range(100, 3000), 5], pa.int64())
    assert not check([0, 10**15], pa.int64())
    assert not check([10**15, 0], pa.int64())
    assert check([10**15, 0, 10**15], pa.int64())
    assert row_rules.MAX_ID_RANGE < 10**15, "too wide for one bit per id"
