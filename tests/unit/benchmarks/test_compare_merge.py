import re
from pathlib import Path

import pytest

from belka.demo.generate import make_demo_data
from belka.errors import InputError
from benchmarks.merge import compare_merge


def test_merge_and_query_find_the_same_molecules(tmp_path: Path) -> None:
    make_demo_data(tmp_path / "raw", molecules=1000)
    comparison = compare_merge(tmp_path / "raw", memory_limit_gb=1.0, n_workers=2, n_rounds=2, work_dir=tmp_path)
    assert [measurement.name for measurement in (comparison.reference, *comparison.measurements)] == [
        "DuckDB, bare query",
        "DuckDB, result written",
        "ParquetMerge",
    ]
    assert comparison.measurements[1].peak_bytes > 0
    rounds = re.search(r"round by round: (.+)\)", comparison.notes[0])
    assert rounds is not None
    seconds = [[float(text) for text in each.split(", ")] for each in rounds[1].split("; ")]
    assert [len(each) for each in seconds] == [3, 3]
    for measured, times in zip(
        (comparison.reference, *comparison.measurements), zip(*seconds, strict=True), strict=True
    ):
        assert abs(measured.seconds - min(times)) <= 0.051
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_folder_without_parquet_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a parquet training file"):
        compare_merge(tmp_path, memory_limit_gb=1.0, n_workers=1, n_rounds=1, work_dir=None)
