"""Models lie in folders of any name, and the model that is loaded is the one in that folder."""

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from belka.contract import OUTPUT_PROBABILITIES, SIGNATURE_SMILES
from belka.errors import InputError
from belka.models.folder import ModelFolder
from belka.models.loader import Signature
from belka.predict.predictor import Predictor


class _Constant(tf.Module):
    """A model that gives every molecule one probability."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = tf.Variable(value)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "smiles")])
    def score(self, smiles: Any) -> dict[str, Any]:
        return {OUTPUT_PROBABILITIES: tf.fill([tf.size(smiles), 1], self.value)}


@pytest.mark.parametrize(("name", "decoy"), [("a[b]", "ab"), ("a[b]?*c d", "abxc d")])
def test_a_folder_whose_name_looks_like_a_pattern(tmp_path: Path, name: str, decoy: str) -> None:
    for folder, value in (("here", 0.25), (decoy, 0.75)):
        model = _Constant(value)
        tf.saved_model.save(model, str(tmp_path / folder), signatures={"score": model.score})
    (tmp_path / "here").rename(tmp_path / name)
    assert Signature(tmp_path / name, "score")(["C", "CC"]).tolist() == [[0.25], [0.25]]


class _Strict(tf.Module):
    """A model that takes texts of eight bytes."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "smiles")])
    def score(self, smiles: Any) -> dict[str, Any]:
        tf.debugging.assert_equal(tf.strings.length(smiles), 8, "A fingerprint has not 64 bits")
        return {OUTPUT_PROBABILITIES: tf.zeros([tf.size(smiles), 2])}


def test_what_a_graph_refuses_is_told_in_one_answer(tmp_path: Path) -> None:
    model = _Strict()
    tf.saved_model.save(model, str(tmp_path), signatures={"score": model.score})
    with pytest.raises(InputError, match=r"do not fit[\s\S]*A fingerprint has not 64 bits"):
        Signature(tmp_path, "score")(["C"])


def test_a_description_of_other_targets_than_the_model_has_is_told(tmp_path: Path) -> None:
    model = _Strict()
    tf.saved_model.save(model, str(tmp_path), signatures={SIGNATURE_SMILES: model.score})
    described = ModelFolder(tmp_path, ("A", "B", "D"), frozenset("C"), 128)
    with pytest.raises(InputError, match="3 targets, where the model has 2"):
        Predictor(described).predict(["CCCCCCCC"])
