"""Libraries that are not the competition's: wide tables, own names, text ids, few blocks, no test file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from belka.errors import InputError
from belka.settings import ColumnSettings

Merge = Callable[..., dict[str, Any]]
Read = Callable[[Path], pa.Table]

LIBRARY = pa.table(
    {
        "Compound": ["A-1", "A-2", "A-3", "A-4"],
        "SMILES": ["CC", "CN", "CO", "CC"],
        "bb1": ["Ca", "Ca", "Cb", "Ca"],
        "CDK2": [1, None, None, 0],
        "PDE5": ["True", "false", "", None],
    }
)
OWN = {
    "targets": ("CDK2", "PDE5"),
    "columns": ColumnSettings(id="Compound", smiles="SMILES", block1="bb1"),
    "train_file": "library.csv",
}


def test_a_wide_table_of_one_block_without_a_test_file(tmp_path: Path, merge: Merge, read_molecules: Read) -> None:
    (tmp_path / "raw").mkdir()
    pa_csv.write_csv(LIBRARY, tmp_path / "raw" / "library.csv")
    summary = merge(tmp_path / "raw", tmp_path / "out", **OWN)
    molecules = {line["smiles"]: line for line in read_molecules(tmp_path / "out").to_pylist()}
    assert {smiles: line["binds"] for smiles, line in molecules.items()} == {"CC": [1, 1], "CN": [2, 0]}
    assert {line["block2_id"] for line in molecules.values()} == {None}
    assert list(summary["files"]) == ["train"]
    entry = summary["files"]["train"]
    assert entry["rejected_by_reason"] == {"no target has a label": 1}
    # CC has three labels of two pairs, CN one.
    assert (entry["rows_read"], entry["pairs_kept"], entry["duplicates"]) == (5, 3, 1)
    assert summary["conflicting_pairs"] == 1
    assert (summary["molecules"]["test"], summary["test_second_ids"]) == ({"shared": 0, "non_shared": 0}, 0)
    assert pq.read_table(tmp_path / "out" / "test_aliases.parquet").num_rows == 0


def test_text_ids_of_a_test_file_travel_as_numbers_of_rows(tmp_path: Path, merge: Merge, read_molecules: Read) -> None:
    (tmp_path / "raw").mkdir()
    pa_csv.write_csv(LIBRARY, tmp_path / "raw" / "library.csv")
    pa_csv.write_csv(LIBRARY.select(["Compound", "SMILES"]), tmp_path / "raw" / "test.csv")
    merge(tmp_path / "raw", tmp_path / "out", **OWN)
    molecules = read_molecules(tmp_path / "out").to_pylist()
    asked = {line["smiles"]: line["ids"] for line in molecules if line["subset"] == 2}
    # Row n asks for both targets with 2n and 2n + 1; the last row is the molecule of the first.
    assert asked == {"CC": [0, 1], "CN": [2, 3], "CO": [4, 5]}
    assert pq.read_table(tmp_path / "out" / "test_aliases.parquet").to_pylist() == [
        {"id": 6, "carrier": 0},
        {"id": 7, "carrier": 1},
    ]


def test_without_blocks_molecules_are_held_out_one_by_one(
    tmp_path: Path, merge: Merge, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "raw").mkdir()
    n = 400
    columns = {"molecule_smiles": [f"{'C' * (i % 20 + 1)}N{'C' * (i // 20 + 1)}" for i in range(n)]}
    pq.write_table(pa.table({**columns, "PDE5": [i % 2 for i in range(n)]}), tmp_path / "raw" / "train.parquet")
    summary = merge(tmp_path / "raw", tmp_path / "out", targets=("PDE5",), validation_block_share=0.25)
    total = sum(sum(groups.values()) for groups in summary["molecules"].values())
    # A quarter of the structures, of which some have two spellings here; five standard deviations are 0.11.
    assert 0.14 < summary["molecules"]["validation"]["shared"] / total < 0.36
    assert summary["molecules"]["validation"]["non_shared"] == 0
    assert "molecules are held out one by one" in caplog.text


def test_other_targets_than_those_of_the_file_are_offered(
    tmp_path: Path, row: Callable[..., dict[str, Any]], write_raw: Callable[..., Path], merge: Merge
) -> None:
    train = [row(i, "abc", protein, 0) for i, protein in enumerate(("CDK2", "PDE5", "HSA"))]
    raw_dir = write_raw(tmp_path / "raw", train, [row(9, "abc", "HSA")])
    with pytest.raises(InputError, match=r"--set 'data\.targets=\[CDK2, HSA, PDE5\]'"):
        merge(raw_dir, tmp_path / "out")


def test_a_test_file_lacks_the_column_that_training_has(
    tmp_path: Path, row: Callable[..., dict[str, Any]], write_raw: Callable[..., Path], merge: Merge
) -> None:
    raw_dir = write_raw(tmp_path / "raw", [row(0, "abc", "HSA", 1)], [row(9, "abc", "HSA")])
    path = raw_dir / "test.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["protein_name"]), path)
    with pytest.raises(InputError, match="The raw test file lacks the column protein_name"):
        merge(raw_dir, tmp_path / "out")
