"""Targets that nobody names are those of the training table."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from belka.contract import DEFAULT_TARGETS
from belka.errors import InputError
from belka.raw_targets import find_targets
from belka.settings import ColumnSettings, DataSettings

DATA = DataSettings()
OTHERS = {"molecule_smiles": ["C", "CC", "CCC"], "id": [1, 0, 1]}


def write(table: pa.Table, folder: Path, suffix: str) -> None:
    (pa_csv.write_csv if suffix == ".csv" else pq.write_table)(table, folder / f"train{suffix}")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("proteins", "expected"),
    [
        (["HSA", "HSA", "sEH"], DEFAULT_TARGETS),
        (["PDE5", "CDK2", None], ("CDK2", "PDE5")),
        (["HSA", "CDK2", ""], ("CDK2", "HSA")),
        ([None, None, None], DEFAULT_TARGETS),
    ],
)
def test_names_of_proteins(tmp_path: Path, suffix: str, proteins: list[str | None], expected: tuple[str, ...]) -> None:
    write(pa.table({**OTHERS, "protein_name": pa.array(proteins, pa.string())}), tmp_path, suffix)
    assert find_targets(tmp_path, DATA) == expected


def test_a_slip_of_the_pen_is_no_target(tmp_path: Path) -> None:
    names = ["HSA"] * 300 + ["BRD4"] * 300 + ["BRD 4"] * 2
    write(pa.table({"molecule_smiles": ["C"] * len(names), "protein_name": names}), tmp_path, ".csv")
    assert find_targets(tmp_path, DATA) == DEFAULT_TARGETS


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_of_labels(tmp_path: Path, suffix: str) -> None:
    columns = {
        "mass": [1.0, 0.0, 300.2],
        "PDE5": [1, None, 0],
        "CDK2": ["True", "false", ""],
        "KRAS": [1.0, None, None],
        "bb": ["0", "1", "1"],
        "note": ["a", "b", "c"],
    }
    write(pa.table({**OTHERS, **columns}), tmp_path, suffix)
    data = DataSettings(columns=ColumnSettings(block1="bb"))
    assert find_targets(tmp_path, data) == ("PDE5", "CDK2", "KRAS")


def test_partitions_by_protein(tmp_path: Path) -> None:
    table = pa.table({**OTHERS, "protein_name": ["PDE5", "CDK2", "PDE5"]})
    partitioning = ds.partitioning(pa.schema([("protein_name", pa.string())]), flavor="hive")
    ds.write_dataset(table, tmp_path / "train", format="parquet", partitioning=partitioning)
    assert find_targets(tmp_path, DATA) == ("CDK2", "PDE5")


def test_a_name_that_no_target_may_have(tmp_path: Path) -> None:
    write(pa.table({**OTHERS, "protein_name": ["a/b", "b", "c"]}), tmp_path, ".csv")
    with pytest.raises(InputError, match=r"'a/b' in "):
        find_targets(tmp_path, DATA)
