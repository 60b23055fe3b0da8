"""A small molecules folder, its vocabulary, and transform_molecules on it with short settings."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from belka.chemistry.fingerprints import FingerprintSettings
from belka.settings import DataSettings
from components.molecule_transform.transform import TransformInputs, TransformOutputs, transform_molecules
from components.molecule_transform.unit import ModelReads
from components.smiles_vocab.build import build_vocabulary

PREPROCESSING_FN = "trainer_module.preprocessing.preprocessing_fn"
TRAIN = ["CC[C@@H](N)C(=O)N[Dy]", "c1ccccc1Br", "C1CC", "ClCCl", "N[Dy]", "OC%11CC%11"]
TEST = ["CCO", "not a smiles", "[nH]1cccc1"]
TEST_IDS = [[10, None, 12], [13, 14, None], [None, None, 18]]


def write_split(
    folder: Path,
    split: str,
    smiles: list[str],
    ids: list[list[int | None]],
    first_id: int,
    *,
    n_files: int = 2,
    row_group_size: int = 2,
) -> None:
    n = len(smiles)
    table = pa.table(
        {
            "molecule_id": pa.array(range(first_id, first_id + n), pa.int64()),
            "smiles": pa.array(smiles, pa.string()),
            "smiles_no_linker": pa.array([s.replace("[Dy]", "[H]") for s in smiles], pa.string()),
            "binds": pa.array([[i % 3, (i + 1) % 3, 2] for i in range(n)], pa.list_(pa.int8(), 3)),
            "subset": pa.array([0] * n, pa.int8()),
            "split_group": pa.array([i % 2 for i in range(n)], pa.int8()),
            "block1_id": pa.array([None] * n, pa.int32()),
            "ids": pa.array(ids, pa.list_(pa.int64(), 3)),
        }
    )
    target = folder / f"Split-{split}"
    target.mkdir(parents=True)
    size = max(n // n_files, 1)
    for shard, start in enumerate(range(0, n, size)):
        pq.write_table(
            table.slice(start, size), target / f"molecules-{shard:05d}.parquet", row_group_size=row_group_size
        )


@pytest.fixture(scope="module")
def molecules_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("molecules")
    write_split(folder, "train", TRAIN, [[None] * 3] * len(TRAIN), 0)
    write_split(folder, "test", TEST, TEST_IDS, len(TRAIN))
    return folder


@pytest.fixture(scope="module")
def vocabulary(molecules_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vocabulary")
    build_vocabulary(molecules_dir, folder, n_workers=1)
    return folder


def run(molecules_dir: Path, vocabulary: Path, out: Path, **settings: Any) -> dict[str, Any]:
    data = {"max_rejected_share": 0.5, "rows_per_shard": 2}
    data |= {key: settings.pop(key) for key in list(settings) if key in DataSettings.model_fields}
    defaults: dict[str, Any] = {
        "preprocessing_fn": PREPROCESSING_FN,
        "fingerprint": FingerprintSettings(),
        "reads": ModelReads(max_length=128),
    }
    return transform_molecules(
        TransformInputs(molecules_dir, vocabulary, settings.pop("block_fingerprints_dir", None)),
        TransformOutputs(out / "examples", out / "graph", out / "rejected", settings.pop("lists", None)),
        data=DataSettings().model_copy(update=data),  # no configuration allows shards of two molecules
        **(defaults | settings),
    )


def read_examples(folder: Path, split: str) -> dict[int, dict[str, Any]]:
    files = sorted((folder / f"Split-{split}").glob("*"))
    compression = "GZIP" if files[0].suffix == ".gz" else ""
    spec = {
        "molecule_id": tf.io.FixedLenFeature([], tf.int64),
        "tokens": tf.io.RaggedFeature(tf.int64),
        "ecfp": tf.io.FixedLenFeature([], tf.string),
        "binds": tf.io.FixedLenFeature([3], tf.int64),
        "ids": tf.io.FixedLenFeature([3], tf.int64),
        "split_group": tf.io.FixedLenFeature([], tf.int64),
    }
    examples = {}
    for record in tf.data.TFRecordDataset([str(file) for file in files], compression):
        parsed = tf.io.parse_single_example(record, spec)
        examples[int(parsed["molecule_id"])] = {name: value.numpy() for name, value in parsed.items()}
    return examples
