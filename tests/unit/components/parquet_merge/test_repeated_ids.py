"""The proof that ids do not repeat, against Python's set."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.parquet_merge import repeated_ids


@pytest.fixture(name="engine")
def fixture_engine() -> Iterator[Any]:
    with duckdb.connect() as connection:
        yield connection


def may_repeat(engine: Any, ids: list[int | None]) -> bool:
    engine.execute("CREATE OR REPLACE TABLE ids AS SELECT unnest(?::BIGINT[]) AS id", [ids])
    return repeated_ids.may_have_repeated_ids(engine, "ids")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(st.one_of(st.integers(-2, 40), st.none()), min_size=1, max_size=12))
def test_equals_a_set(engine: Any, ids: list[int | None]) -> None:
    counted = [i for i in ids if i is not None and i >= 0]
    assert may_repeat(engine, ids) == (len(set(counted)) < len(counted))


def test_repeat_far_apart_and_wide_ranges(engine: Any) -> None:
    assert not may_repeat(engine, [5, *range(100, 3000), 6])
    assert may_repeat(engine, [5, *range(100, 3000), 5])
    assert not may_repeat(engine, [0, 10**15]), "in order: no memory needed"
    assert may_repeat(engine, [10**15, 0]), "too wide to tell; the caller looks closer"
