"""The validators of the pipeline on small Examples: what passes, and what stops the run, under LocalDagRunner."""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import tensorflow as tf
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.metadata import sqlite_metadata_connection_config
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import distribution_validator_pb2
from tfx.types import standard_component_specs as keys
from tfx.types.standard_artifacts import ExampleAnomalies, Examples, ExampleStatistics
from tfx.utils import proto_utils

from belka import contract as dc
from belka.contract import Node
from belka.errors import InputError
from components.data_validation.component import DriftValidatorExecutor
from components.data_validation.settings import DataValidationSettings
from pipeline.config.settings import Config
from pipeline.create_pipeline import data_validation

Values = Mapping[str, Sequence[int]]
GOOD: Values = {
    dc.FEATURE_MOLECULE_ID: [7],
    dc.FEATURE_TOKENS: [2, 3, 4, 3, 2],
    dc.FEATURE_BINDS: [0, 1, 2],
    dc.FEATURE_IDS: [-1, 5, 6],
    dc.FEATURE_SPLIT_GROUP: [1],
}


def write_split(
    folder: Path,
    subset: dc.Subset,
    rows: Sequence[Values],
    *,
    bits: bytes | None = b"\x00\xff",
    blocks: Sequence[bytes] = (),
) -> None:
    path = folder / f"Split-{subset.split}" / "data_tfrecord-00000-of-00001.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for row, of_row in itertools.zip_longest(rows, blocks[: len(rows)]):
            features = {name: tf.train.Feature(int64_list=tf.train.Int64List(value=v)) for name, v in row.items()}
            if bits is not None:
                features[dc.FEATURE_ECFP] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[bits]))
            if of_row is not None:
                features[dc.FEATURE_BLOCKS] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[of_row]))
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def validate(folder: Path, **settings: object) -> Path:
    examples = Importer(
        source_uri=str(folder / "examples"),
        artifact_type=Examples,
        properties={"split_names": json.dumps([subset.split for subset in dc.Subset])},
    ).with_id("examples")
    config = Config(data_validation=DataValidationSettings.model_validate(settings))
    LocalDagRunner().run(
        Pipeline(
            pipeline_name="validation",
            pipeline_root=str(folder / "root"),
            metadata_connection_config=sqlite_metadata_connection_config(str(folder / "metadata.db")),
            components=[
                examples,
                *data_validation(
                    config.data_validation, config.deciding()[Node.ANOMALY_GATE], examples.outputs["result"]
                ),
            ],
            # What the pipeline's other nodes run on; worker processes cannot load TFDV.
            beam_pipeline_args=["--runner=FnApiRunner", "--direct_running_mode=multi_processing"],
        )
    )
    (found,) = folder.glob("root/anomaly-gate/report/*/anomalies.json")
    return found


@pytest.mark.parametrize("blocks", [[], [b"\x01" * dc.BLOCKS_BYTES, b"", *[b"\xff" * dc.BLOCKS_BYTES] * 18]])
def test_good_examples_pass_and_empty_splits_are_legal(tmp_path: Path, blocks: Sequence[bytes]) -> None:
    write_split(tmp_path / "examples", dc.Subset.TRAIN, [GOOD] * 20, blocks=blocks)
    write_split(tmp_path / "examples", dc.Subset.VALIDATION, [GOOD] * 5, blocks=blocks[::-1])
    write_split(tmp_path / "examples", dc.Subset.TEST, [])
    found = json.loads(validate(tmp_path).read_text())
    assert found == {"on_anomaly": "fail", "anomalies": []}


def test_every_kind_of_anomaly_stops_the_run_and_is_listed(tmp_path: Path) -> None:
    write_split(tmp_path / "examples", dc.Subset.TRAIN, [GOOD] * 20)
    bad: Values = {**GOOD, dc.FEATURE_TOKENS: [0, 2], dc.FEATURE_BINDS: [0, 1, 7], dc.FEATURE_SPLIT_GROUP: [2]}
    write_split(tmp_path / "examples", dc.Subset.VALIDATION, [*[GOOD] * 4, bad])
    drifted: Values = {**GOOD, dc.FEATURE_TOKENS: [30, 31, 32]}
    write_split(tmp_path / "examples", dc.Subset.TEST, [drifted] * 5, bits=None)
    with pytest.raises(InputError) as raised:
        validate(tmp_path)
    text = str(raised.value)
    assert "The Examples are not what the schema says: " in text
    for line in (
        r"validation: binds: .*7",
        r"validation: split_group: .*2",
        r"validation: tokens: .*0",
        r"test: ecfp: .*[Cc]olumn",
        r"test against train: tokens: .*Jensen-Shannon",
    ):
        assert any(re.search(line, row) for row in text.splitlines()), (line, text)


def test_warn_lists_the_anomalies_and_goes_on(tmp_path: Path) -> None:
    write_split(tmp_path / "examples", dc.Subset.TRAIN, [{**GOOD, dc.FEATURE_BINDS: [0, 1, 3]}] * 20)
    for subset in (dc.Subset.VALIDATION, dc.Subset.TEST):
        write_split(tmp_path / "examples", subset, [GOOD] * 5)
    found = json.loads(validate(tmp_path, on_anomaly="warn").read_text())
    assert [(a["where"], a["feature"]) for a in found["anomalies"]] == [("train", "binds")]


def test_drift_is_found_when_the_configuration_comes_as_json(tmp_path: Path) -> None:
    """Kubeflow Pipelines hands over messages as JSON."""
    for subset in dc.Subset:
        tokens = [30, 31, 32] if subset is dc.Subset.TEST else [2, 3, 4]
        write_split(tmp_path / "examples", subset, [{**GOOD, dc.FEATURE_TOKENS: tokens}] * 5)
    with pytest.raises(InputError, match="test against train: tokens"):
        validate(tmp_path)
    (statistics_dir,) = tmp_path.glob("root/statistics-gen/statistics/*")
    statistics, anomalies = ExampleStatistics(), ExampleAnomalies()
    statistics.uri, anomalies.uri = str(statistics_dir), str(tmp_path / "anomalies")
    statistics.split_names = json.dumps([subset.split for subset in dc.Subset])
    config = distribution_validator_pb2.DistributionValidatorConfig()
    feature = config.default_slice_config.feature.add()
    feature.path.step.append(dc.FEATURE_TOKENS)
    feature.distribution_comparator.jensen_shannon_divergence.threshold = 0.1
    DriftValidatorExecutor().Do(
        {keys.STATISTICS_KEY: [statistics], keys.BASELINE_STATISTICS_KEY: [statistics]},
        {keys.ANOMALIES_KEY: [anomalies]},
        {
            keys.DISTRIBUTION_VALIDATOR_CONFIG_KEY: proto_utils.proto_to_json(config),
            keys.INCLUDE_SPLIT_PAIRS_KEY: json.dumps([["test", "train"]]),
        },
    )
    found = [path.read_bytes() for path in (tmp_path / "anomalies").rglob("SchemaDiff.pb")]
    assert len(found) == 1
    assert dc.FEATURE_TOKENS.encode() in found[0]


def test_training_without_molecules_is_an_anomaly(tmp_path: Path) -> None:
    for subset in dc.Subset:
        write_split(tmp_path / "examples", subset, [])
    with pytest.raises(InputError, match="train: dataset: no molecule"):
        validate(tmp_path)
