from pathlib import Path

import pytest

from benchmarks.merge import compare_merge
from components.demo_library.generate import make_demo_data
from components.errors import InputError


def test_merge_and_query_find_the_same_molecules(tmp_path: Path) -> None:
    make_demo_data(tmp_path / "raw", molecules=1000)
    comparison = compare_merge(tmp_path / "raw", memory_limit_gb=1.0, n_workers=2, work_dir=tmp_path)
    assert [measurement.name for measurement in (comparison.reference, *comparison.measurements)] == [
        "DuckDB, bare query", "DuckDB, result written", "ParquetMerge",
    ]  # fmt: skip
    assert comparison.measurements[1].peak_bytes > 0
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_folder_without_parquet_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a parquet training file"):
        compare_merge(tmp_path, memory_limit_gb=1.0, n_workers=1, work_dir=None)
