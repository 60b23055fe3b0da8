"""The component as the orchestrator runs it, then TFX's own reading of its blessing."""

import json
from pathlib import Path

import keras
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tfx.components.util import model_utils
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation

from belka import contract as dc
from belka.contract import Node
from belka.models.selection_scores import read_selection_scores
from belka.models.unseen import molecule_hashes, read_unseen
from belka.provenance import Record, write_provenance
from belka.settings import SystemSettings
from components.affinity_evaluator.component import AffinityEvaluator
from components.affinity_evaluator.settings import EvaluationSettings
from components.artifact_types import Molecules
from pipeline.config.settings import Config


def export(folder: Path) -> None:
    model = keras.Sequential([keras.Input([1]), keras.layers.Rescaling(0.01)])

    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {dc.FEATURE_MOLECULE_ID: tf.io.FixedLenFeature([1], tf.int64)})
        return {dc.OUTPUT_PROBABILITIES: model(tf.cast(parsed[dc.FEATURE_MOLECULE_ID], tf.float32)) * tf.ones([1, 3])}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(dc.SIGNATURE_EXAMPLES, serve, [tf.TensorSpec([None], tf.string, name="examples")])
    archive.write_out(str(folder), verbose=False)


def write_molecules(folder: Path) -> None:
    """The ten molecules of the Examples, each of one building block."""
    table = pa.table(
        {
            dc.MOLECULE_ID: pa.array(range(10), pa.int64()),
            dc.SMILES: ["C" * (i + 1) for i in range(10)],
            **{name: pa.array([0] * 10 if i == 0 else [None] * 10, pa.int32()) for i, name in enumerate(dc.BLOCK_IDS)},
        }
    )
    (folder / "Split-validation").mkdir(parents=True)
    pq.write_table(table, folder / "Split-validation" / "molecules-00000.parquet")
    pq.write_table(pa.table({"smiles": ["CN"], "in_validation": [True]}), folder / dc.BLOCKS_FILE)


def write_examples(folder: Path) -> None:
    """Ten molecules: the higher the id, the higher the prediction; the labels of the upper half are 1."""
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), options) as writer:
        for i in range(10):
            features = {
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
                for name, values in (
                    (dc.FEATURE_MOLECULE_ID, [i]),
                    (dc.FEATURE_SPLIT_GROUP, [dc.SplitGroup.NON_SHARED]),
                    (dc.FEATURE_BINDS, [i // 5, 1 - i // 5, dc.LABEL_UNKNOWN]),
                )
            }
            bits = tf.train.BytesList(value=[bytes([i, 255 - i])])
            features[dc.FEATURE_ECFP] = tf.train.Feature(bytes_list=bits)
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    (folder / ".half-written").write_bytes(b"not a record")


@pytest.mark.parametrize(("floor", "blessed"), [(0.0, True), (0.99, False)])
def test_blessing_is_what_the_standard_pusher_reads(tmp_path: Path, floor: float, blessed: bool) -> None:
    model, examples, molecules = Model(), Examples(), Molecules()
    evaluation, blessing = ModelEvaluation(), ModelBlessing()
    for name, artifact in (
        ("model", model),
        ("examples", examples),
        ("molecules", molecules),
        ("evaluation", evaluation),
        ("blessing", blessing),
    ):
        artifact.uri = str(tmp_path / name)
    model.id = 7
    export(tmp_path / "model" / "Format-Serving")
    write_examples(tmp_path / "examples" / "Split-validation")
    write_examples(tmp_path / "examples" / "Split-train")
    write_molecules(tmp_path / "molecules")
    trained = {"custom_config": {"mode": "clf"}, "train_args": {"splits": ["train"]}}
    write_provenance(tmp_path / "model", Record(step="trainer-clf", output="model", settings=trained))

    AffinityEvaluator.test_call(
        examples=examples,
        molecules=molecules,
        model=model,
        evaluation=evaluation,
        blessing=blessing,
        settings=Config(
            evaluation=EvaluationSettings(
                slice_floors={"BRD4/non_shared": 0.99}, bootstrap_samples=50, min_mean_average_precision=floor
            ),
            system=SystemSettings(seed=1),
        ).deciding()[Node.AFFINITY_EVALUATOR],
        champion_dir=str(tmp_path / "pushed"),
    )

    assert model_utils.is_model_blessed(blessing) is blessed
    names = sorted(path.name for path in (tmp_path / "blessing").iterdir())
    assert names == ["BLESSED" if blessed else "NOT_BLESSED", "release"]
    assert "# Model card" in (tmp_path / "blessing" / "release" / "model_card.md").read_text()
    assert "## How good it is" in (tmp_path / "evaluation" / "model_card.md").read_text()
    unseen = read_unseen(tmp_path / "blessing" / "release")
    assert unseen is not None
    assert unseen.molecules.tolist() == sorted(molecule_hashes(pa.array(["C" * (i + 1) for i in range(10)])).tolist())
    assert not unseen.seen_blocks
    assert unseen.unseen_blocks == {"CN"}
    held_out = read_selection_scores(tmp_path / "blessing" / "release")
    assert held_out is not None
    assert sorted(held_out.labels.tolist()) == sorted([i // 5, 1 - i // 5, dc.LABEL_UNKNOWN] for i in range(10))
    assert "Evaluation report" in (tmp_path / "evaluation" / "report.html").read_text()
    assert blessing.get_string_custom_property("current_model") == model.uri
    assert blessing.get_int_custom_property("current_model_id") == 7
    assert ("below the floor" in blessing.get_string_custom_property("blessing_message")) is not blessed
    written = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())
    found = {(s["target"], s["split_group"]): s["average_precision"] for s in written["slices"]}
    # BRD4 is ranked perfectly; HSA upside down: positives at ranks 6 to 10.
    upside_down = sum((i + 1) / (6 + i) for i in range(5)) / 5
    assert found["BRD4", "non_shared"] == pytest.approx(1.0, abs=1e-12)
    assert found["HSA", "non_shared"] == pytest.approx(upside_down, abs=1e-12)
    assert found["sEH", "non_shared"] is None
    assert written["mean_average_precision"] == pytest.approx((1 + upside_down) / 2, abs=1e-12)
    assert [(one["target"], one["n"], one["after"]) for one in written["reliability"]] == [
        ("BRD4", 10, None),
        ("HSA", 10, None),
        ("sEH", 0, None),
    ]
    assert {one["ladder"] for one in written["ladders"]} <= {"new_blocks", "nearest_block"}
    assert sum(one["n"] for one in written["ladders"] if (one["ladder"], one["target"]) == ("new_blocks", "BRD4")) == 10
    assert {*written["baselines"]["models"]} == {"blocks", "logistic", "lightgbm"}
    assert written["baselines"]["trained_on"] == 10
