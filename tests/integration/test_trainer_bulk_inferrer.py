"""TFX's real BulkInferrer executor on a model exported by the trainer, with Beam."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from numpy.typing import NDArray
from tfx.components.bulk_inferrer.executor import Executor
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.proto import bulk_inferrer_pb2
from tfx.types.standard_artifacts import Examples, Model

from belka.contract import (
    FEATURE_ECFP,
    FEATURE_MOLECULE_ID,
    FEATURE_TOKENS,
    MASK_TOKEN,
    OUTPUT_PROBABILITIES,
    PAD_TOKEN,
    SIGNATURE_EXAMPLES,
    SIGNATURE_SMILES,
    probability_name,
)
from components.molecule_transform.transform_graph import write_transform_graph
from trainer_module.export.export import export_model
from trainer_module.export.saved_model import StoredModel
from trainer_module.model import Belka
from trainer_module.settings import ModelSettings

VOCABULARY = (PAD_TOKEN, MASK_TOKEN, "(", ")", "1", "=", "C", "N", "O", "c")
NUMBER = 700  # more than the size from which batches run in compiled chunks
TARGETS = ("BRD4", "HSA", "5-HT2A (β, rat/human)")


@pytest.fixture(scope="module")
def transform_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transform") / "graph"
    function = "trainer_module.preprocessing.preprocessing_fn"
    write_transform_graph(folder, preprocessing_fn=function, vocabulary=VOCABULARY)
    return folder


def make_model(*, ecfp_branch: bool) -> Belka:
    settings = ModelSettings(depth=16, num_heads=2, num_layers=1, max_length=64, ecfp_branch=ecfp_branch)
    return Belka(mode="clf", settings=settings, vocab_size=len(VOCABULARY), n_targets=3)


def make_inputs() -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 64, NUMBER)
    tokens = generator.integers(2, len(VOCABULARY), (NUMBER, 64)).astype(np.int32)
    return np.where(np.arange(64) < sizes[:, None], tokens, 0), generator.integers(0, 256, (NUMBER, 256)).astype(
        np.uint8
    )


def serialized(tokens: NDArray[np.int32], packed: NDArray[np.uint8], number: int) -> bytes:
    features = {
        FEATURE_TOKENS: tf.train.Feature(int64_list=tf.train.Int64List(value=tokens[tokens != 0])),
        FEATURE_ECFP: tf.train.Feature(bytes_list=tf.train.BytesList(value=[packed.tobytes()])),
        FEATURE_MOLECULE_ID: tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
    }
    example: bytes = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    return example


def bulk_infer(model_dir: Path, examples_dir: Path, output_dir: Path) -> dict[int, list[float]]:
    model, examples, output = Model(), Examples(), Examples()
    model.uri, examples.uri, output.uri = str(model_dir), str(examples_dir), str(output_dir)
    examples.split_names = json.dumps(["test"])
    columns = bulk_inferrer_pb2.OutputColumnsSpec(
        signature_name=SIGNATURE_EXAMPLES,
        predict_output=bulk_inferrer_pb2.PredictOutput(
            output_columns=[
                bulk_inferrer_pb2.PredictOutputCol(output_key=OUTPUT_PROBABILITIES, output_column=OUTPUT_PROBABILITIES)
            ]
        ),
    )
    properties = {
        "data_spec": bulk_inferrer_pb2.DataSpec(example_splits=["test"]),
        "model_spec": bulk_inferrer_pb2.ModelSpec(model_signature_name=[SIGNATURE_EXAMPLES]),
        "output_example_spec": bulk_inferrer_pb2.OutputExampleSpec(output_columns_spec=[columns]),
    }
    context = BaseBeamExecutor.Context(beam_pipeline_args=["--runner=FnApiRunner"], unique_id="1")
    Executor(context).Do(
        {"model": [model], "examples": [examples]},
        {"output_examples": [output]},
        {key: json_format.MessageToJson(value) for key, value in properties.items()},
    )
    predictions = {}
    for record in tf.data.TFRecordDataset(list(map(str, output_dir.rglob("*.gz"))), compression_type="GZIP"):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        number = feature[FEATURE_MOLECULE_ID].int64_list.value[0]
        predictions[number] = list(feature[OUTPUT_PROBABILITIES].float_list.value)
    return predictions


@pytest.mark.parametrize("ecfp_branch", [False, True])
def test_bulk_inferrer_predicts_what_the_model_predicts(
    ecfp_branch: bool, transform_graph: Path, tmp_path: Path
) -> None:
    model = make_model(ecfp_branch=ecfp_branch)
    export_model(StoredModel(model, VOCABULARY, TARGETS), transform_graph, tmp_path / "model" / "Format-Serving")
    tokens, packed = make_inputs()
    (tmp_path / "examples" / "Split-test").mkdir(parents=True)
    shard = tmp_path / "examples" / "Split-test" / "data_tfrecord-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(shard), "GZIP") as writer:
        for number in range(NUMBER):
            writer.write(serialized(tokens[number], packed[number], number))

    predictions = bulk_infer(tmp_path / "model", tmp_path / "examples", tmp_path / "predictions")

    expected = model({"tokens": tokens, "ecfp": packed}).numpy()
    assert sorted(predictions) == list(range(NUMBER))
    np.testing.assert_allclose([predictions[number] for number in range(NUMBER)], expected, atol=1e-6)


@pytest.mark.parametrize("ecfp_branch", [False, True])
def test_the_batch_moves_no_bit_of_a_probability(ecfp_branch: bool, transform_graph: Path, tmp_path: Path) -> None:
    model = make_model(ecfp_branch=ecfp_branch)
    generator = np.random.default_rng(1)
    model.set_weights([weight + generator.normal(0, 0.3, weight.shape) for weight in model.get_weights()])
    export_model(StoredModel(model, VOCABULARY, TARGETS), transform_graph, tmp_path)
    tokens, packed = make_inputs()
    serve = tf.saved_model.load(str(tmp_path)).signatures[SIGNATURE_EXAMPLES]
    examples = np.array([serialized(*row, 0) for row in zip(tokens, packed, strict=True)], object)
    whole = serve(examples=tf.constant(examples))[OUTPUT_PROBABILITIES].numpy()
    np.testing.assert_allclose(whole, model({"tokens": tokens, "ecfp": packed}), atol=1e-5)
    assert len(np.unique(whole)) > NUMBER
    for rows in (1, 2, 31, 33, 511, 513):
        picked = generator.permutation(NUMBER)[:rows]
        probabilities = serve(examples=tf.constant(examples[picked]))[OUTPUT_PROBABILITIES].numpy()
        assert probabilities.tobytes() == whole[picked].tobytes(), f"batch of {rows}"
    assert serve(examples=tf.constant([], tf.string))[OUTPUT_PROBABILITIES].shape == (0, 3)
    assert serve.outputs[0].shape.as_list() == [None, 3]
    assert sorted(serve.structured_outputs) == [OUTPUT_PROBABILITIES, *sorted(map(probability_name, TARGETS))]


def test_large_batches_of_smiles_predict_the_same(transform_graph: Path, tmp_path: Path) -> None:
    model = make_model(ecfp_branch=False)
    export_model(StoredModel(model, VOCABULARY, TARGETS), transform_graph, tmp_path)
    serve = tf.saved_model.load(str(tmp_path)).signatures[SIGNATURE_SMILES]
    smiles = tf.constant(["CC(=O)N", "C", "c1ccccc1"] * 200)
    few = serve(smiles=smiles[:3])[OUTPUT_PROBABILITIES]
    many = serve(smiles=smiles)[OUTPUT_PROBABILITIES]
    np.testing.assert_allclose(many, np.tile(few, (200, 1)), atol=1e-6)


def test_the_branch_is_served_from_smiles_and_packed_fingerprints(transform_graph: Path, tmp_path: Path) -> None:
    model = make_model(ecfp_branch=True)
    export_model(StoredModel(model, VOCABULARY, TARGETS), transform_graph, tmp_path)
    serve = tf.saved_model.load(str(tmp_path)).signatures[SIGNATURE_SMILES]
    packed = np.arange(256, dtype=np.uint8)[None]
    probabilities = serve(smiles=tf.constant(["CC(=O)N"]), ecfp=tf.constant([packed.tobytes()]))[OUTPUT_PROBABILITIES]
    tokens = np.array([[VOCABULARY.index(token) for token in "CC(=O)N"]], np.int32)
    np.testing.assert_allclose(probabilities, model({"tokens": tokens, "ecfp": packed}), atol=1e-6)
