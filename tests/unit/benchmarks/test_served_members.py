"""Size and rate of models side by side, on real SavedModels."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from belka.contract import FEATURE_BLOCKS, FEATURE_ECFP, MOLECULE_ID
from belka.examples import open_examples
from benchmarks.served_linear import export_linear
from benchmarks.served_members import BATCHES, bytes_of, compare_models


def write_examples(path: Path, count: int) -> Path:
    with open_examples(path) as write:
        for i in range(count):
            features = {
                MOLECULE_ID: tf.train.Feature(int64_list=tf.train.Int64List(value=[i])),
                FEATURE_ECFP: tf.train.Feature(bytes_list=tf.train.BytesList(value=[bytes([i % 256])])),
                FEATURE_BLOCKS: tf.train.Feature(bytes_list=tf.train.BytesList(value=[b""])),
            }
            write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return path


def test_every_model_is_measured_at_every_size_beside_the_first(tmp_path: Path) -> None:
    weights, bias = np.ones((8, 2), np.float32), np.zeros(2, np.float32)
    models = [export_linear(tmp_path / name, weights, bias, ("BRD4", "HSA")) for name in ("one", "two")]
    examples = write_examples(tmp_path / "examples.gz", max(BATCHES))
    found = compare_models(models, examples)
    assert [one.title for one in found] == ["serving_default, batch 1", "serving_default, batch 1,024"]
    for one in found:
        assert (one.reference.name, [each.name for each in one.measurements]) == (str(models[0]), [str(models[1])])
        assert one.notes == tuple(f"{model}: {bytes_of(model):,} bytes" for model in models)
    assert found[1].reference.items == max(BATCHES)


def test_bytes_are_those_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"123")
    assert bytes_of(tmp_path) == 8
