"""Models that are exported, Examples that are written, and a bench on which a model meets the one in production."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from belka import contract as dc
from belka.models.champion import Champion, model_digest, write_champion
from belka.models.unseen import Unseen, find_unseen, write_unseen
from components.affinity_evaluator.comparison import ChampionSource
from components.affinity_evaluator.evaluate import Evaluation, evaluate_model
from components.affinity_evaluator.settings import EvaluationSettings

TARGETS = ("BRD4", "HSA", "sEH")
N = 60


class Bench:
    """Examples whose label follows `score`, molecules of the same ids, a candidate and a folder of pushed models."""

    def __init__(self, folder: Path, export: Callable[..., Path], write_examples: Callable[..., Path]) -> None:
        self.folder, self.export, self.write_examples = folder, export, write_examples
        rng = np.random.default_rng(11)
        self.labels = rng.integers(0, 2, (N, 3))
        scores = np.clip(self.labels * 0.3 + rng.random((N, 3)) * 0.6, 0, 1)
        self.groups = groups = rng.integers(0, 2, N)
        self.write(scores)
        self.models = folder / "model"
        self.molecules = folder / "molecules"
        self.lengths = rng.integers(1, 90, N)
        self.write_molecules(groups)
        self.unseen = find_unseen(self.molecules, [dc.Subset.TRAIN])

    def write(self, scores: NDArray[np.float64]) -> None:
        rows = [(100 + i, int(self.groups[i]), self.labels[i].tolist(), scores[i].tolist()) for i in range(N)]
        self.examples = self.write_examples(self.folder / "e.gz", rows)

    def write_molecules(self, groups: Any) -> None:
        """Validation molecules with ids from 97: the first three have no Examples, as if they had been rejected."""
        target = self.molecules / "Split-validation" / "molecules-00000.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        smiles = ["C"] * 3 + ["C" * int(length) for length in self.lengths]
        binds = np.concatenate([np.ones((3, 3), np.int64), self.labels]).ravel()
        table = pa.table(
            {
                dc.MOLECULE_ID: pa.array(range(97, 100 + N), pa.int64()),
                dc.SPLIT_GROUP: pa.array([0, 0, 0, *groups.tolist()], pa.int8()),
                dc.BINDS: pa.FixedSizeListArray.from_arrays(pa.array(binds, pa.int8()), 3),
                dc.SMILES: smiles,
                **{name: pa.nulls(3 + N, pa.int32()) for name in dc.BLOCK_IDS},
            }
        )
        pq.write_table(table, target, row_group_size=16)
        pq.write_table(pa.table({"smiles": ["CN", "CO"]}), self.molecules / dc.BLOCKS_FILE)

    def model(self, name: str, *, reverse: bool = False, vocabulary: list[str] | None = None, note: str = "") -> Path:
        folder = self.export(self.folder / name, reverse=reverse, note=note)
        description = {
            "model": {"mode": "clf", "max_length": 128},
            "vocabulary": vocabulary or ["[PAD]", "[MASK]", "C"],
            "targets": list(TARGETS),
        }
        (folder / "belka.json").write_text(json.dumps(description))
        return folder

    def push(self, model: Path, version: str = "17", unseen: Unseen | None = None) -> Path:
        shutil.copytree(model, self.models / version)
        write_unseen(unseen or self.unseen, self.models / version)
        write_champion(self.models, Champion(version, model_digest(model)))
        return self.models / version

    def evaluate(self, candidate: Path, targets: tuple[str, ...] = TARGETS, **settings: Any) -> Evaluation:
        return evaluate_model(
            candidate,
            [self.examples],
            self.folder / "out",
            targets=targets,
            settings=EvaluationSettings(batch_size=16, bootstrap_samples=20, **settings),
            seed=42,
            champion=ChampionSource(self.models, self.molecules, self.unseen),
        )


def export_bit_counter(folder: Path, kind: str | None = None) -> None:
    """Replace a model by one with `model.ecfp_branch`."""
    model = keras.Sequential([keras.Input([64]), keras.layers.Rescaling(0.01)])

    def serve(smiles: tf.Tensor, ecfp: tf.Tensor) -> dict[str, tf.Tensor]:
        del smiles
        packed = tf.cast(tf.reshape(tf.io.decode_raw(ecfp, tf.uint8), [-1, 8, 1]), tf.int32)
        bits = tf.reshape(packed // tf.constant([128, 64, 32, 16, 8, 4, 2, 1]) % 2, [-1, 64])
        counts = tf.reduce_sum(model(tf.cast(bits, tf.float32)), axis=1, keepdims=True)
        return {dc.OUTPUT_PROBABILITIES: counts * tf.ones([1, 3])}

    archive = keras.export.ExportArchive()
    archive.track(model)
    names = ("smiles", dc.FEATURE_ECFP)
    archive.add_endpoint(dc.SIGNATURE_SMILES, serve, [tf.TensorSpec([None], tf.string, name=name) for name in names])
    shutil.rmtree(folder / "variables")
    archive.write_out(str(folder), verbose=False)
    description = json.loads((folder / "belka.json").read_text())
    description["model"]["ecfp_branch"] = True
    description["ecfp"] = {"size": 64, "radius": 2, "chirality": True} | ({"kind": kind} if kind else {})
    (folder / "belka.json").write_text(json.dumps(description))


@pytest.fixture
def bench(tmp_path: Path, export_model: Callable[..., Path], write_examples: Callable[..., Path]) -> Bench:
    return Bench(tmp_path, export_model, write_examples)


@pytest.fixture(scope="session")
def export_model() -> Callable[..., Path]:
    """Export a model whose probabilities stand in the Example itself, under `score`; reversed, they are 1 minus that.

    Its signature `smiles` gives one hundredth of the length of the SMILES for every target.
    """

    def export(
        folder: Path,
        *,
        n_targets: int = 3,
        output: str = dc.OUTPUT_PROBABILITIES,
        reverse: bool = False,
        note: str = "",
    ) -> Path:
        scaling = keras.layers.Rescaling(-1.0, offset=1.0) if reverse else keras.layers.Rescaling(1.0)
        model = keras.Sequential([keras.Input([n_targets]), scaling])
        features = {"score": tf.io.FixedLenFeature([n_targets], tf.float32)}

        def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return {output: model(tf.io.parse_example(examples, features)["score"])}

        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint(dc.SIGNATURE_EXAMPLES, serve, [tf.TensorSpec([None], tf.string, name="examples")])

        def serve_smiles(smiles: tf.Tensor) -> dict[str, tf.Tensor]:
            lengths = tf.cast(tf.strings.length(smiles), tf.float32)[:, None] / 100
            return {output: lengths * tf.ones([1, n_targets])}

        archive.add_endpoint(dc.SIGNATURE_SMILES, serve_smiles, [tf.TensorSpec([None], tf.string, name="smiles")])
        archive.write_out(str(folder), verbose=False)
        if note:
            (folder / "assets").mkdir(exist_ok=True)
            (folder / "assets" / "note").write_text(note)
        return folder

    return export


@pytest.fixture(scope="session")
def model_dir(export_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model(tmp_path_factory.mktemp("model") / "serving")


@pytest.fixture(scope="session")
def write_examples() -> Callable[..., Path]:
    """Write Examples of rows (molecule id, split group, labels, scores)."""

    def int64(values: Sequence[int]) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def write(path: Path, rows: Sequence[tuple[int, int, Sequence[int], Sequence[float]]]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        options = tf.io.TFRecordOptions(compression_type="GZIP" if path.suffix == ".gz" else "")
        with tf.io.TFRecordWriter(str(path), options) as writer:
            for molecule_id, group, binds, scores in rows:
                features = {
                    dc.FEATURE_MOLECULE_ID: int64([molecule_id]),
                    dc.FEATURE_SPLIT_GROUP: int64([group]),
                    dc.FEATURE_BINDS: int64(binds),
                    "score": tf.train.Feature(float_list=tf.train.FloatList(value=scores)),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                # A map has another order in each process; a file cut at a fixed byte must be the same file every time.
                writer.write(example.SerializeToString(deterministic=True))
        return path

    return write
