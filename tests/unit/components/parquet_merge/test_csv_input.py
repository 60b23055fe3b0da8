"""Raw files as CSV are read as those in parquet are."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

Merge = Callable[..., dict[str, Any]]


def test_csv_gives_the_molecules_of_parquet(
    merge: Merge, raw_dir: Path, read_molecules: Callable[[Path], pa.Table], tmp_path: Path
) -> None:
    as_csv = tmp_path / "csv"
    as_csv.mkdir()
    for source in ("train", "test"):
        pa_csv.write_csv(pq.read_table(raw_dir / f"{source}.parquet"), as_csv / f"{source}.csv")
    shutil.copy(raw_dir / "DNA_Labeled_Data.csv", as_csv)
    merge(raw_dir, tmp_path / "from_parquet")
    merge(as_csv, tmp_path / "from_csv")
    assert read_molecules(tmp_path / "from_csv").equals(read_molecules(tmp_path / "from_parquet"))


def test_csv_values_of_the_wrong_kind_are_rejected_rows(
    merge: Merge, raw_dir: Path, row: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    good = row(0, "abc", "HSA", 1)
    lines = [
        {**good, "id": "1.5"},
        {**good, "id": "x"},
        {**good, "binds": "yes"},
        {**good, "binds": "0.5"},
        {**good, "binds": "1.0"},
    ]
    text = "\n".join([",".join(good), *(",".join(str(value) for value in line.values()) for line in lines)])
    (raw_dir / "train.parquet").unlink()
    (raw_dir / "train.csv").write_text(text + "\n", encoding="utf-8")
    summary = merge(raw_dir, tmp_path / "out")
    assert summary["files"]["train"]["rejected_by_reason"] == {
        "label is not 0 or 1": 2,
    }
    assert summary["files"]["train"]["pairs_kept"] == 1
    assert summary["files"]["train"]["duplicates"] == 2, "ids that are no numbers are ids"
    assert summary["labels"]["train"]["HSA"] == {"negative": 0, "positive": 1, "unknown": 1}
