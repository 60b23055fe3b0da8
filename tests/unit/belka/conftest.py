import json
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from belka import contract as dc

TARGETS = ["BRD4", "HSA", "sEH"]


@pytest.fixture(scope="session")
def length_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of `write_length_model`."""
    return write_length_model(tmp_path_factory.mktemp("length_model") / "17")


def write_length_model(folder: Path) -> Path:
    """A SavedModel whose probabilities are 1, 2 and 3 thousandths of the length of the SMILES without linker."""
    model = keras.Sequential([keras.Input([1]), keras.layers.Rescaling(0.001)])

    def serve(smiles: tf.Tensor) -> dict[str, tf.Tensor]:
        plain = tf.strings.regex_replace(smiles, r"\[Dy]", "[H]")
        lengths = tf.cast(tf.strings.length(plain), tf.float32)[:, None]
        return {dc.OUTPUT_PROBABILITIES: tf.minimum(model(lengths) * tf.constant([[1.0, 2.0, 3.0]]), 1.0)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(dc.SIGNATURE_SMILES, serve, [tf.TensorSpec([None], tf.string, name="smiles")])
    archive.write_out(str(folder), verbose=False)
    vocabulary = ["[PAD]", "[MASK]", *"CNOcno()=#123", "[H]", "Cl", "Br"]
    description = {"model": {"mode": "clf", "max_length": 128}, "vocabulary": vocabulary, "targets": TARGETS}
    (folder / "belka.json").write_text(json.dumps(description))
    return folder
