"""`belka make-demo-data` and `belka validate` as a user sees them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

BELKA = Path(sys.executable).parent / "belka"


def _belka(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80"}
    command = [str(BELKA), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_validate_names_unusable_rows_with_their_whole_smiles(tmp_path: Path) -> None:
    made = _belka("make-demo-data", "--molecules", "400", "--out", tmp_path / "raw")
    figures = dict(re.split(r"  +", line.strip(), maxsplit=1) for line in made.stdout.splitlines())
    assert re.fullmatch(r"1,\d{3}", figures["train rows"])
    assert re.fullmatch(r"BRD4 \d\d\.\d%, HSA \d\d\.\d%, sEH \d\d\.\d%", figures["positive share"])
    result = _belka("validate", "--raw-dir", tmp_path / "raw")
    assert result.returncode == 0, result.stderr
    text = "".join(result.stdout.split())
    assert "labelisnot0or1" in text
    assert "N[Dy]" in text  # square brackets are no markup
    assert "buildingblocks" in text
    assert "arunwouldstart" in text


def test_validate_of_another_library_says_how_to_run_it_and_ends_as_a_run_would(tmp_path: Path) -> None:
    n = 60
    columns = {f"buildingblock{i}_smiles": ["C", "N"] * (n // 2) for i in (1, 2, 3)}
    smiles = ["C1CC", *(f"{'C' * i}N[Dy]" for i in range(1, n))]
    rows = {"id": range(n), **columns, "molecule_smiles": smiles, "protein_name": ["CA9", "HSA"] * (n // 2)}
    pq.write_table(pa.table({**rows, "binds": [0, 3, 0, 9, 1, 40] * (n // 6)}), tmp_path / "train.parquet")
    pq.write_table(pa.table(rows), tmp_path / "test.parquet")
    result = _belka("validate", "--raw-dir", tmp_path, "--set", "data.targets=[BRD4, HSA]")
    assert result.returncode == 2
    assert max(map(len, result.stdout.splitlines())) <= 80
    told = " ".join(result.stdout.split())
    assert "a run would refuse these files, but start with --set " in told
    assert "--set 'data.binds={threshold: 2}'" in told
    assert "--set 'data.targets=[CA9, HSA]'" in told
    assert "CA9: 30 rows, but no target" in told
    assert "BRD4: not in the training file" in told
    assert result.stderr.startswith("error: The labels of the raw train file look like read counts.")
    lines = [line.split("'")[1] for line in result.stdout.splitlines() if "--set" in line]
    again = _belka("validate", "--raw-dir", tmp_path, *(part for line in lines for part in ("--set", line)))
    assert again.returncode == 0, again.stderr
    told = " ".join(again.stdout.split())
    assert "training 60 molecules, 60 pairs (counted)" in told
    assert "x unparsable SMILES: C1CC" in told
    assert "a run would start" in told


def test_validate_says_how_building_blocks_are_named_where_it_knows_of_none(tmp_path: Path) -> None:
    rows = ["Compound,SMILES,BB1,CDK2", *(f"C-{n},{'C' * n}N,{'C' * n},{n % 2}" for n in range(1, 60))]
    (tmp_path / "train.csv").write_text("\n".join(rows), encoding="utf-8")
    columns = ("--set", "data.columns.smiles=SMILES")
    told = " ".join(_belka("validate", "--raw-dir", tmp_path, *columns).stdout.split())
    assert "building blocks none named (--set data.columns.block1=COLUMN ...)" in told
    told = _belka("validate", "--raw-dir", tmp_path, *columns, "--set", "data.columns.block1=BB1").stdout
    assert "building blocks  59, 0 of them in test only" in told


def test_validate_of_nothing_says_how_to_get_data(tmp_path: Path) -> None:
    result = _belka("validate", "--raw-dir", tmp_path)
    assert result.returncode == 2
    assert "train.parquet" in result.stderr
    assert "make-demo-data" in result.stderr
