"""Models lie in folders of any name, and the model that is loaded is the one in that folder."""

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from belka.contract import OUTPUT_PROBABILITIES
from belka.models.loader import Signature


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
