"""conflicts.parquet: how many rows say 0 and how many 1, counted row by row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest


@pytest.mark.parametrize("as_csv", [False, True])
def test_every_row_of_a_conflict_is_counted(
    *,
    tmp_path: Path,
    row: Callable[..., dict[str, Any]],
    write_raw: Callable[..., Path],
    merge: Callable[..., dict[str, Any]],
    as_csv: bool,
) -> None:
    train = [
        *(row(i, "abc", "HSA", binds) for i, binds in enumerate([0, 0, 1, 0])),  # neighbours
        row(4, "abc", "BRD4", 1),
        *(row(5 + i, "abd", "sEH", 1) for i in range(2)),
        row(7, "abe", "BRD4", 0),
        row(8, "abe", "BRD4", 0),
        row(9, "abc", "BRD4", 0),  # far from the other one
        row(10, "abc", "BRD4", 7),  # refused: no row of the conflict
    ]
    extra = [{"new_structure": "N[Dy]abd", "read_count": count} for count in (0, 0, 3, 0)]
    raw = write_raw(tmp_path / "raw", train, [row(90, "abc", "HSA")], extra)
    if as_csv:
        path = raw / "train.parquet"
        pa_csv.write_csv(pq.read_table(path), path.with_suffix(".csv"))
        path.unlink()
    summary = merge(raw, tmp_path / "out")
    listed = [tuple(line.values()) for line in pq.read_table(tmp_path / "out" / "conflicts.parquet").to_pylist()]
    assert sorted(listed) == [("N[Dy]abc", "BRD4", 1, 1), ("N[Dy]abc", "HSA", 3, 1), ("N[Dy]abd", "sEH", 3, 3)]
    assert summary["conflicting_pairs"] == 3
    assert summary["labels"]["train"]["HSA"]["positive"] == 1


def test_without_conflicts_the_list_is_empty(
    tmp_path: Path,
    row: Callable[..., dict[str, Any]],
    write_raw: Callable[..., Path],
    merge: Callable[..., dict[str, Any]],
) -> None:
    merge(write_raw(tmp_path / "raw", [row(1, "abc", "HSA", 1)], [row(2, "abc", "HSA")]), tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "conflicts.parquet").num_rows == 0
