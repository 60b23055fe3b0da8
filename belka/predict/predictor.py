"""Score batches of inputs with an exported model."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from belka.contract import (
    FEATURE_BLOCKS,
    FEATURE_ECFP,
    OUTPUT_PROBABILITIES,
    OUTPUT_SPREAD,
    SIGNATURE_FEATURES,
    SIGNATURE_SMILES,
    SMILES,
    probability_name,
    spread_name,
)
from belka.models.description import unreadable_description
from belka.models.folder import ModelFolder
from belka.models.loader import Signature
from belka.predict.check import CheckedSmiles


class Scores(NamedTuple):
    """What a model says of n molecules.

    Attributes:
        probabilities: float32 [n, n_targets], from 0 to 1.
        spread: float32 [n, n_targets], standard deviation over the members; None for a model of one member.
    """

    probabilities: NDArray[np.float32]
    spread: NDArray[np.float32] | None = None


class FullSignature(NamedTuple):
    """The signature of a model that uses all that it reads.

    Attributes:
        name: Of the signature.
        inputs: Names of its inputs, in the order in which `Predictor.predict` takes them.
    """

    name: str
    inputs: tuple[str, ...]


def full_signature(model: ModelFolder) -> FullSignature:
    """The signature that scores with every member of a model.

    Args:
        model: The model.
    """
    inputs = (SMILES, FEATURE_ECFP, FEATURE_BLOCKS)
    if model.is_ensemble:
        return FullSignature(SIGNATURE_FEATURES, inputs)
    return FullSignature(SIGNATURE_SMILES, inputs[: 1 if model.ecfp is None else 2])


class Predictor:
    """An exported model in memory.

    Args:
        model: Where it is.

    Raises:
        BelkaError: TensorFlow cannot load it, or it takes no SMILES.
    """

    def __init__(self, model: ModelFolder) -> None:
        self.model = model
        asked, outputs = full_signature(model), (OUTPUT_PROBABILITIES, OUTPUT_SPREAD)
        self._n_inputs = len(asked.inputs)
        self._signature = Signature(model.path, asked.name, asked.inputs, outputs[: 1 + model.is_ensemble])

    def predict(self, smiles: Sequence[str], ecfp: Sequence[bytes] = (), blocks: Sequence[bytes] = ()) -> Scores:
        """Score SMILES.

        Args:
            smiles: n SMILES, with or without [Dy].
            ecfp: Their packed fingerprints, where the model reads them.
            blocks: Their feature `blocks` (`belka.chemistry.blocks.feature`), where a member reads it.

        Returns:
            The scores.

        Raises:
            InputError: The model and its description do not fit.
        """
        if not smiles:
            nothing = np.empty((0, len(self.model.targets)), np.float32)
            return Scores(nothing, nothing if self.model.is_ensemble else None)
        # An ensemble takes all three; what none of its members reads is empty.
        values = [list(value) or [b""] * len(smiles) for value in (smiles, ecfp, blocks)]
        scores = Scores(*self._signature.outputs(*values[: self._n_inputs]))
        if scores[0].shape[1] != len(self.model.targets):
            received = f"{len(self.model.targets)} targets, where the model has {scores[0].shape[1]}"
            raise unreadable_description(self.model.path, received)
        return scores


def result_columns(model: ModelFolder) -> list[pa.Field]:
    """The columns that prediction adds to its input.

    Args:
        model: The model.

    Returns:
        `probability_<target>` float32; of an ensemble also `spread_<target>` float32; `problem` string, `warning`
        string, `unknown_tokens` int32, `block_similarity` float32, `new_blocks` int32.
    """
    return [
        *(pa.field(probability_name(target), pa.float32()) for target in model.targets),
        *(pa.field(spread_name(target), pa.float32()) for target in model.targets if model.is_ensemble),
        pa.field("problem", pa.string()),
        pa.field("warning", pa.string()),
        pa.field("unknown_tokens", pa.int32()),
        pa.field("block_similarity", pa.float32()),
        pa.field("new_blocks", pa.int32()),
    ]


def score_checked(checked: Sequence[CheckedSmiles], predictor: Predictor) -> list[pa.Array]:
    """Score what can be scored; everything else keeps its place with empty scores.

    Args:
        checked: Inputs in order.
        predictor: The model.

    Returns:
        Arrays of `result_columns`, one row per input.
    """
    scored = usable(checked)
    scores = predictor.predict(
        [item.smiles for item in scored], [item.ecfp for item in scored], [item.blocks for item in scored]
    )
    return scored_columns(checked, scores)


def usable(checked: Sequence[CheckedSmiles]) -> list[CheckedSmiles]:
    """The inputs that a model can score, in their order."""
    return [item for item in checked if not item.problem]


def scored_columns(checked: Sequence[CheckedSmiles], scores: Scores) -> list[pa.Array]:
    """Put the scores of what could be scored into its places among all inputs.

    Args:
        checked: Inputs in order.
        scores: Of those that `usable` gives.

    Returns:
        Arrays of `result_columns`, one row per input.
    """
    has_score = np.array([not item.problem for item in checked], dtype=bool)
    numbers = np.hstack([found for found in scores if found is not None])
    columns = np.zeros((len(checked), numbers.shape[1]), np.float32)
    columns[has_score] = numbers
    finite = np.asarray(np.isfinite(columns).all(axis=1))
    no_number = np.where(finite, "", "the model gives no number").tolist()
    problems = [item.problem or problem for item, problem in zip(checked, no_number, strict=True)]
    empty = ~(has_score & finite)
    return [
        *(pa.array(column, pa.float32(), mask=empty) for column in columns.T),
        pa.array(problems, pa.string()),
        pa.array([item.warning for item in checked], pa.string()),
        pa.array([item.unknown_tokens for item in checked], pa.int32(), mask=~has_score),
        pa.array([item.block_similarity for item in checked], pa.float32()),
        pa.array([None if item.new_blocks is None else len(item.new_blocks) for item in checked], pa.int32()),
    ]
