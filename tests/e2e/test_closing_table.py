"""What a run tells of its data on a console of 80 columns that is no terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

BELKA = Path(sys.executable).parent / "belka"


def _step(raw: Path, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(BELKA), "step", "generate_parquet", "--raw-dir", str(raw), "--output-dir", str(output), *options]
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _write(folder: Path, *, n_other_test: int) -> None:
    """Sixty molecules of which forty have both labels for HSA, and test rows of a protein that is no target."""
    folder.mkdir()
    blocks = {f"buildingblock{i}_smiles": ["C", "N"] * 50 for i in (1, 2, 3)}
    smiles = [f"{'C' * (1 + i % 60)}N[Dy]" for i in range(100)]
    labels = [0] * 60 + [1] * 40
    train = {"id": range(100), **blocks, "molecule_smiles": smiles, "protein_name": ["HSA"] * 100, "binds": labels}
    pq.write_table(pa.table(train), folder / "train.parquet")
    proteins = ["CA9"] * n_other_test + ["HSA"] * (100 - n_other_test)
    pq.write_table(pa.table({**train, "protein_name": proteins}).drop_columns(["binds"]), folder / "test.parquet")


def test_conflicts_and_refused_rows_are_told_with_their_lists(tmp_path: Path) -> None:
    _write(tmp_path / "raw", n_other_test=12)
    done = _step(tmp_path / "raw", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    told = "".join(done.stdout.split())
    for line in (
        "conflicting pairs 40 with rows of 0 and of 1; 1 won",
        "left out, test.parquet 12 rows of proteins that are not among data.targets",
        "not predicted 12 test rows get 0.0 (data.rejected_prediction)",
        str(tmp_path / "out" / "conflicts.parquet"),
        str(tmp_path / "out" / "rejected.parquet"),
    ):
        assert "".join(line.split()) in told, done.stdout
    assert "twins" not in told
    conflicts = pq.read_table(tmp_path / "out" / "conflicts.parquet").to_pylist()
    assert len(conflicts) == 40
    assert {tuple(line.values())[1:] for line in conflicts} == {("HSA", 1, 1)}
    assert pq.read_metadata(tmp_path / "out" / "rejected.parquet").num_rows == 12
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["rejected"] == {"test": {"protein is not among data.targets": 12}}


def test_a_refused_run_leaves_its_list_where_the_message_says(tmp_path: Path) -> None:
    _write(tmp_path / "raw", n_other_test=100)
    failed = _step(tmp_path / "raw", tmp_path / "out")
    assert failed.returncode == 2
    kept = tmp_path / "out" / "rejected.parquet"
    assert f"{kept} lists the rows" in failed.stderr
    assert pq.read_table(kept)["reason"].to_pylist() == ["protein is not among data.targets"] * 100
