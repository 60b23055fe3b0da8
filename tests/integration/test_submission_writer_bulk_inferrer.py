"""BulkInferrer's real executor on a tiny exported model, then the writer: the contract between the two."""

import json
import os
from pathlib import Path

import keras
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.proto import bulk_inferrer_pb2
from tfx.types.standard_artifacts import Examples, Model

from belka import contract as dc
from belka.beam_flags import local_beam_flags
from belka.contract import Node
from belka.events.channel import listening
from belka.events.event import Event
from belka.examples import write_counts
from belka.settings import DataSettings
from components.artifact_types import Molecules, Rejections, Submission
from components.submission_writer.component import SubmissionWriter
from components.tfx_own import BulkInferrerExecutor
from pipeline.config.settings import Config

N_MOLECULES = 40


class TinyModel(keras.Model):
    """Probabilities that are a known function of the molecule id."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = self.add_weight(shape=(3,), initializer="ones", name="scale")

    def call(self, molecule_id: tf.Tensor) -> tf.Tensor:
        return tf.cast(molecule_id, tf.float32) / 100.0 * self.scale


def export(folder: Path) -> None:
    model = TinyModel()
    model(tf.zeros([1, 1], tf.int64))

    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {dc.FEATURE_MOLECULE_ID: tf.io.FixedLenFeature([1], tf.int64)})
        return {dc.OUTPUT_PROBABILITIES: model(parsed[dc.FEATURE_MOLECULE_ID])}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(dc.SIGNATURE_EXAMPLES, serve, [tf.TensorSpec([None], tf.string, name="examples")])
    archive.write_out(str(folder), verbose=False)


def export_that_tells_the_size_of_its_batch(folder: Path) -> None:
    module = tf.Module()

    def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        n_rows = tf.shape(examples)[0]
        return {dc.OUTPUT_PROBABILITIES: tf.fill([n_rows, 3], tf.cast(n_rows, tf.float32))}

    served = tf.function(serve, input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    tf.saved_model.save(module, str(folder), signatures={dc.SIGNATURE_EXAMPLES: served.get_concrete_function()})


def write_examples(folder: Path) -> None:
    folder.mkdir(parents=True)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), options) as writer:
        for i in range(N_MOLECULES):
            ids = [3 * i, 3 * i + 1, dc.ABSENT_ID if i % 2 else 3 * i + 2]
            features = {
                dc.FEATURE_MOLECULE_ID: tf.train.Feature(int64_list=tf.train.Int64List(value=[i])),
                dc.FEATURE_IDS: tf.train.Feature(int64_list=tf.train.Int64List(value=ids)),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    write_counts(folder.parent, {folder / "data_tfrecord-00000-of-00001.gz": N_MOLECULES})


def bulk_infer(model_dir: Path, examples_dir: Path, output_dir: Path, n_workers: int) -> Examples:
    model, examples, output = Model(), Examples(), Examples()
    model.uri, examples.uri, output.uri = str(model_dir), str(examples_dir), str(output_dir)
    examples.split_names = json.dumps(["test"])
    column = bulk_inferrer_pb2.PredictOutputCol(
        output_key=dc.OUTPUT_PROBABILITIES, output_column=dc.OUTPUT_PROBABILITIES
    )
    columns = bulk_inferrer_pb2.OutputColumnsSpec(
        signature_name=dc.SIGNATURE_EXAMPLES, predict_output=bulk_inferrer_pb2.PredictOutput(output_columns=[column])
    )
    properties = {
        "data_spec": bulk_inferrer_pb2.DataSpec(example_splits=["test"]),
        "model_spec": bulk_inferrer_pb2.ModelSpec(model_signature_name=[dc.SIGNATURE_EXAMPLES]),
        "output_example_spec": bulk_inferrer_pb2.OutputExampleSpec(output_columns_spec=[columns]),
    }
    context = BaseBeamExecutor.Context(beam_pipeline_args=local_beam_flags(n_workers), unique_id="1")
    BulkInferrerExecutor(context).Do(
        {"model": [model], "examples": [examples]},
        {"output_examples": [output]},
        {key: json_format.MessageToJson(value) for key, value in properties.items()},
    )
    return output


def rejected_list(folder: Path, rows: list[tuple[str, int]]) -> None:
    columns: dict[str, pa.Array] = {name: pa.array([None] * len(rows), pa.string()) for name in dc.REJECTED_COLUMNS}
    columns["source"] = pa.array([source for source, _ in rows], pa.string())
    columns["id"] = pa.array([row_id for _, row_id in rows], pa.int64())
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / dc.REJECTED_FILE)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_what_is_scored_is_counted_whichever_process_scores_it(tmp_path: Path, n_workers: int) -> None:
    export(tmp_path / "model" / "Format-Serving")
    write_examples(tmp_path / "examples" / "Split-test")
    heard = list[Event]()
    with listening(heard.append):
        bulk_infer(tmp_path / "model", tmp_path / "examples", tmp_path / "predictions", n_workers)
    told = [event.progress for event in heard if event.progress]
    assert {amount.total for amount in told} == {N_MOLECULES, None}
    assert any(amount.done for amount in told)
    in_this_process = {event.source.partition("-")[0] == str(os.getpid()) for event in heard if event.progress}
    assert in_this_process == ({True} if n_workers == 1 else {True, False})


def test_batches_depend_on_the_data_alone(tmp_path: Path) -> None:
    """Batches of another size may move the last bit of a score; Beam's own follow how quickly the first ones went."""
    export_that_tells_the_size_of_its_batch(tmp_path / "model" / "Format-Serving")
    write_examples(tmp_path / "examples" / "Split-test")
    bulk_infer(tmp_path / "model", tmp_path / "examples", tmp_path / "predictions", 1)
    (file,) = (tmp_path / "predictions").glob("*/*.gz")
    told = set()
    for record in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator():
        told |= set(tf.train.Example.FromString(record).features.feature[dc.OUTPUT_PROBABILITIES].float_list.value)
    assert told == {N_MOLECULES}


def test_predictions_of_bulk_inferrer_become_a_submission(tmp_path: Path) -> None:
    export(tmp_path / "model" / "Format-Serving")
    write_examples(tmp_path / "examples" / "Split-test")
    predictions = bulk_infer(tmp_path / "model", tmp_path / "examples", tmp_path / "predictions", 1)
    expected = {3 * i + j: i / 100 for i in range(N_MOLECULES) for j in range(3) if not (i % 2 and j == 2)}
    raw = tmp_path / "raw"
    raw.mkdir()
    ids = [*reversed(expected), 900, 901, 902]
    others = dict.fromkeys((dc.RAW_SMILES, dc.RAW_PROTEIN), ["x"] * len(ids))
    pq.write_table(pa.table({dc.RAW_ID: ids, **others}), raw / "test.parquet")
    pq.write_table(pa.table({dc.RAW_ID: [0]}), raw / "train.parquet")
    rejected_list(tmp_path / "merge", [("test", 900), ("train", 3)])
    pq.write_table(pa.table({"id": [902], "carrier": [0]}), tmp_path / "merge" / dc.TEST_ALIASES_FILE)
    rejected_list(tmp_path / "transform", [("test", 901)])
    molecules, rejected, submission = Molecules(), Rejections(), Submission()
    molecules.uri, rejected.uri, submission.uri = (str(tmp_path / n) for n in ("merge", "transform", "submission"))

    SubmissionWriter.test_call(
        predictions=predictions,
        molecules=molecules,
        rejected=rejected,
        submission=submission,
        raw_dir=str(raw),
        settings=Config(data=DataSettings(rejected_prediction=0.5)).deciding()[Node.SUBMISSION_WRITER],
    )

    lines = (tmp_path / "submission" / "submission.csv").read_text().splitlines()
    assert lines[0] == "id,binds"
    written = {int(i): float(p) for i, p in (line.split(",") for line in lines[1:])}
    assert list(written) == sorted([*expected, 900, 901, 902])
    assert {i: written[i] for i in expected} == pytest.approx(expected, abs=1e-7)
    assert (written[900], written[901], written[902]) == (0.5, 0.5, written[0])
    summary = json.loads((tmp_path / "submission" / dc.SUMMARY_FILE).read_text())
    assert (summary["rows"], summary["rejected"]) == (len(expected) + 3, 2)
