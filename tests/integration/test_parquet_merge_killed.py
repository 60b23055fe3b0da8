"""A merge that is killed leaves nothing that could be taken for a result, and the next one succeeds."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MERGE = """
import sys
from pathlib import Path
from belka.settings import DataSettings, SystemSettings
from components.parquet_merge.merge import merge_raw_files
merge_raw_files(
    Path(sys.argv[1]), Path(sys.argv[2]),
    data=DataSettings(
        targets=("HSA", "sEH"), validation_block_share=0.0, use_extra_data=False, max_rejected_share=0.0,
        rows_per_shard=100_000,
    ),
    system=SystemSettings(seed=1, memory_limit_gb=2.0, n_workers=1),
)
"""
N_MOLECULES = 200_000


def write_raw(folder: Path) -> None:
    folder.mkdir()
    number = np.random.default_rng(0).permutation(2 * N_MOLECULES)
    columns = {
        "id": pa.array(number),
        **{f"buildingblock{i}_smiles": pa.array(["C"] * len(number)) for i in (1, 2, 3)},
        "molecule_smiles": pa.array([f"C[Dy]{n // 2}" for n in number.tolist()]),
        "protein_name": pa.array(["HSA", "sEH"]).take(pa.array(number % 2)),
        "binds": pa.array(number // 2 % 2),
    }
    pq.write_table(pa.table(columns), folder / "train.parquet")
    pq.write_table(pa.table(columns).slice(0, 10).drop_columns(["binds"]), folder / "test.parquet")


def test_killed_merge_starts_again(tmp_path: Path) -> None:
    raw_dir, parent = tmp_path / "raw", tmp_path / "work"
    write_raw(raw_dir)
    command = [sys.executable, "-c", MERGE, str(raw_dir), str(parent / "out")]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 60
    while not list(parent.glob(".belka-merge-*/.belka-merge-*/partitions/train-*.arrow")):
        assert time.monotonic() < deadline
        assert process.poll() is None, "the merge ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (parent / "out").exists()
    assert list(parent.iterdir()), "the killed merge left its temporary files"
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
    assert [path.name for path in parent.iterdir()] == ["out"]
    molecules = pq.read_table(parent / "out" / "Split-train", columns=["smiles", "binds"])
    assert len(set(molecules["smiles"].to_pylist())) == molecules.num_rows == N_MOLECULES
    for smiles, binds in zip(molecules["smiles"].to_pylist(), molecules["binds"].to_pylist(), strict=True):
        assert binds == [int(smiles[5:]) % 2] * 2
