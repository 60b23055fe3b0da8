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
    probability_name,
    spread_name,
)
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


class Predictor:
    """An exported model in memory.

    Args:
        model: Where it is.

    Raises:
        BelkaError: TensorFlow cannot load it, or it takes no SMILES.
    """

    def __init__(self, model: ModelFolder) -> None:
        self.model = model
        inputs, outputs = ("smiles", FEATURE_ECFP, FEATURE_BLOCKS), (OUTPUT_PROBABILITIES, OUTPUT_SPREAD)
        if model.is_ensemble:
            self._n_inputs = len(inputs)
            self._signature = Signature(model.path, SIGNATURE_FEATURES, inputs, outputs)
        else:
            self._n_inputs = 1 if model.ecfp is None else 2
            self._signature = Signature(model.path, SIGNATURE_SMILES, inputs[: self._n_inputs])

    def predict(self, smiles: Sequence[str], ecfp: Sequence[bytes] = (), blocks: Sequence[bytes] = ()) -> Scores:
        """Score SMILES.

        Args:
            smiles: n SMILES, with or without [Dy].
            ecfp: Their packed fingerprints, where the model reads them.
            blocks: Their feature `blocks` (`belka.chemistry.blocks.feature`), where a member reads it.

        Returns:
            The scores.
        """
        if not smiles:
            nothing = np.empty((0, len(self.model.targets)), np.float32)
            return Scores(nothing, nothing if self.model.is_ensemble else None)
        # An ensemble takes all three; what none of its members reads is empty.
        values = [list(value) or [b""] * len(smiles) for value in (smiles, ecfp, blocks)]
        return Scores(*self._signature.outputs(*values[: self._n_inputs]))


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
    usable = np.array([not item.problem for item in checked], dtype=bool)
    scored = [item for item in checked if not item.problem]
    scores = predictor.predict(
        [item.smiles for item in scored], [item.ecfp for item in scored], [item.blocks for item in scored]
    )
    numbers = np.hstack([found for found in scores if found is not None])
    columns = np.zeros((len(checked), numbers.shape[1]), np.float32)
    columns[usable] = numbers
    finite = np.asarray(np.isfinite(columns).all(axis=1))
    no_number = np.where(finite, "", "the model gives no number").tolist()
    problems = [item.problem or problem for item, problem in zip(checked, no_number, strict=True)]
    empty = ~(usable & finite)
    return [
        *(pa.array(column, pa.float32(), mask=empty) for column in columns.T),
        pa.array(problems, pa.string()),
        pa.array([item.warning for item in checked], pa.string()),
        pa.array([item.unknown_tokens for item in checked], pa.int32(), mask=~usable),
        pa.array([item.block_similarity for item in checked], pa.float32()),
        pa.array([None if item.new_blocks is None else len(item.new_blocks) for item in checked], pa.int32()),
    ]
