"""A logistic regression served as an ensemble is; a constant stands where the transformer stands."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import MASK_TOKEN, OUTPUT_PROBABILITIES, PAD_TOKEN, SIGNATURE_EXAMPLES, SIGNATURE_SMILES
from belka.models.description import ModelDescription
from components.ensemble.blend import Blend, Line
from components.ensemble.blend_graph import EnsembleGraph, MemberGraphs
from components.ensemble.export import export_ensemble, load_transformer
from components.ensemble.graph import LinearGraph
from components.ensemble.linear import LinearFit


class Constant(tf.Module):
    """The signatures of a transformer; every probability is one half."""

    def __init__(self, n_targets: int) -> None:
        super().__init__()
        self._n_targets, self._half = n_targets, tf.Variable(0.5)

    def _scores(self, texts: Any) -> dict[str, Any]:
        return {OUTPUT_PROBABILITIES: tf.fill([tf.shape(texts)[0], self._n_targets], self._half)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def examples(self, examples: Any) -> dict[str, Any]:
        """Score serialized Examples."""
        return self._scores(examples)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "smiles")])
    def smiles(self, smiles: Any) -> dict[str, Any]:
        """Score SMILES."""
        return self._scores(smiles)


def export_linear(
    folder: Path, weights: NDArray[np.float32], bias: NDArray[np.float32], targets: tuple[str, ...], share: float = 0.0
) -> Path:
    """Write a model whose probabilities are those of the logistic regression, but for the constant's share.

    Args:
        folder: Receives it.
        weights: float32 [n_bits, n_targets].
        bias: float32 [n_targets].
        targets: Names of the targets.
        share: Of the log-odds, that of the constant.
    """
    constant, transformer = Constant(len(targets)), folder.with_name(f"{folder.name}-transformer")
    signatures = {SIGNATURE_EXAMPLES: constant.examples, SIGNATURE_SMILES: constant.smiles}
    tf.saved_model.save(constant, str(transformer), signatures=signatures)
    ones, zeros = np.ones(len(targets), np.float32), np.zeros(len(targets), np.float32)
    blend = Blend({"linear": Line(ones, zeros)}, ones[:, None], zeros, ones[:, None], zeros, share, share)
    members = MemberGraphs(linear=LinearGraph(LinearFit(weights, bias)))
    graph = EnsembleGraph(load_transformer(transformer), members, blend, len(weights) // 8, targets)
    description = ModelDescription(
        {"mode": "clf", "max_length": 128},
        (PAD_TOKEN, MASK_TOKEN, *"CNOSFcnos()=#123456", "[H]", "Cl", "Br", "[C@H]", "[C@@H]", "[nH]"),
        targets,
        FingerprintSettings(size=len(weights)),
        spelling="canonical",
        members=("transformer", "linear"),
    )
    folder.mkdir(parents=True)
    export_ensemble(graph, folder, description, folder / "no weights")
    return folder
