"""A transform that is killed leaves no half-written shard, and the next one writes what an undisturbed one does."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from components.smiles_vocab.build import build_vocabulary

TRANSFORM = """
import sys
from pathlib import Path
from belka.chemistry.fingerprints import FingerprintSettings
from belka.settings import DataSettings
from components.molecule_transform.transform import TransformInputs, TransformOutputs, transform_molecules
from components.molecule_transform.unit import ModelReads
work = Path(sys.argv[1])
transform_molecules(
    TransformInputs(work / "molecules", work / "vocab"),
    TransformOutputs(work / sys.argv[2] / "examples", work / sys.argv[2] / "graph", work / sys.argv[2] / "rejected"),
    data=DataSettings().model_copy(update={"rows_per_shard": 200}),
    fingerprint=FingerprintSettings(),
    reads=ModelReads(max_length=128),
    preprocessing_fn="trainer_module.preprocessing.preprocessing_fn",
)
"""
N_MOLECULES = 4_000
N_SHARDS = 20


def write_molecules(folder: Path) -> None:
    smiles = [f"{'C' * (1 + i % 40)}C(=O)N{'C' * (1 + i // 40)}" for i in range(N_MOLECULES)]
    table = pa.table(
        {
            "molecule_id": pa.array(range(N_MOLECULES), pa.int64()),
            "smiles": smiles,
            "smiles_no_linker": smiles,
            "binds": pa.array([[0, 1, 2]] * N_MOLECULES, pa.list_(pa.int8(), 3)),
            "split_group": pa.array([1] * N_MOLECULES, pa.int8()),
            "ids": pa.array([[None] * 3] * N_MOLECULES, pa.list_(pa.int64(), 3)),
        }
    )
    (folder / "Split-train").mkdir(parents=True)
    pq.write_table(table, folder / "Split-train" / "molecules-00000.parquet")


def test_killed_transform_starts_again(tmp_path: Path) -> None:
    write_molecules(tmp_path / "molecules")
    build_vocabulary(tmp_path / "molecules", tmp_path / "vocab", n_workers=1)
    split = tmp_path / "killed" / "examples" / "Split-train"
    command = [sys.executable, "-c", TRANSFORM, str(tmp_path)]
    process = subprocess.Popen([*command, "killed"], cwd=Path(__file__).parents[2])
    try:
        while not list(
            split.glob("data_tfrecord-*")
        ):  # on a loaded machine this takes minutes; pytest's own limit ends a hang
            assert process.poll() is None, "the transform ended before it could be killed"
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    finished = sorted(split.glob("data_tfrecord-*"))
    assert 0 < len(finished) < N_SHARDS
    for path in finished:
        assert len(list(tf.data.TFRecordDataset(str(path), "GZIP"))) == N_MOLECULES // N_SHARDS
    assert not (tmp_path / "killed" / "rejected" / "transform_summary.json").exists()

    for name in ("killed", "undisturbed"):
        subprocess.run([*command, name], cwd=Path(__file__).parents[2], check=True)
    files = {
        name: {path.name: path.read_bytes() for path in (tmp_path / name / "examples" / "Split-train").iterdir()}
        for name in ("killed", "undisturbed")
    }
    assert files["killed"] == files["undisturbed"]
    assert len(files["killed"]) == N_SHARDS
