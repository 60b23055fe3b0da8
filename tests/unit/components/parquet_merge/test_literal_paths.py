"""Folders whose names look like patterns are folders: a neighbour that such a pattern would match is never read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from belka.molecules import list_shards
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.validate import validate_raw_files

# A name, and another that it matches when it is taken for a pattern.
NAMES = [("a[b]", "ab"), ("a[b]?*c d", "abxyc d"), ("what?", "whats"), ("*", "any"), ("it's", "its")]


@pytest.mark.parametrize("as_csv", [False, True], ids=["parquet", "csv"])
@pytest.mark.parametrize(("name", "decoy"), NAMES)
def test_the_folder_is_read_and_not_its_neighbour(
    *,
    tmp_path: Path,
    row: Callable[..., dict[str, Any]],
    write_raw: Callable[..., Path],
    merge: Callable[..., dict[str, Any]],
    read_molecules: Callable[[Path], pa.Table],
    name: str,
    decoy: str,
    as_csv: bool,
) -> None:
    here = write_raw(tmp_path / name / "raw", [row(0, "abc", "HSA", 1)], [row(7, "abd", "HSA")])
    there = write_raw(tmp_path / decoy / "raw", [row(i, "xyz", "HSA", 0) for i in range(9)], [row(9, "xyz", "HSA")])
    if as_csv:
        for raw_dir in (here, there):
            for path in [*raw_dir.iterdir()]:
                pa_csv.write_csv(pq.read_table(path), path.with_suffix(".csv"))
                path.unlink()
    summary = merge(here, tmp_path / name / "out", spill_dir=str(tmp_path / name / "spill"))
    assert summary["files"]["train"]["rows_read"] == 1
    assert set(read_molecules(tmp_path / name / "out")["smiles"].to_pylist()) == {"N[Dy]abc", "N[Dy]abd"}
    assert {shard.split for shard in list_shards(tmp_path / name / "out")} == {"train", "test"}
    report = validate_raw_files(here, data=DataSettings(), system=SystemSettings())
    assert [file.n_rows for file in report.files] == [1, 1]
