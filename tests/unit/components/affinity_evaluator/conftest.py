from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from belka import contract as dc


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
