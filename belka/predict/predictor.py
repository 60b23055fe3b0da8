"""Score batches of inputs with an exported model."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from belka.contract import FEATURE_ECFP, SIGNATURE_SMILES, probability_name
from belka.models.folder import ModelFolder
from belka.models.loader import Signature
from belka.predict.check import CheckedSmiles


class Predictor:
    """An exported model in memory.

    Args:
        model: Where it is.

    Raises:
        BelkaError: TensorFlow cannot load it, or it takes no SMILES.
    """

    def __init__(self, model: ModelFolder) -> None:
        self.model = model
        inputs = ("smiles",) if model.ecfp is None else ("smiles", FEATURE_ECFP)
        self._signature = Signature(model.path, SIGNATURE_SMILES, inputs)

    def predict(self, smiles: Sequence[str], ecfp: Sequence[bytes] = ()) -> NDArray[np.float32]:
        """Score SMILES.

        Args:
            smiles: Any number of SMILES, with or without [Dy].
            ecfp: Their packed fingerprints, where the model reads them.

        Returns:
            float32 [n, n_targets], from 0 to 1.
        """
        if not smiles:
            return np.empty((0, len(self.model.targets)), np.float32)
        return self._signature(list(smiles), *([list(ecfp)] if self.model.ecfp is not None else []))


def result_columns(targets: Sequence[str]) -> list[pa.Field]:
    """The columns that prediction adds to its input.

    Args:
        targets: Proteins.

    Returns:
        `probability_<target>` float32, `problem` string, `warning` string, `unknown_tokens` int32, `block_similarity`
        float32.
    """
    return [
        *(pa.field(probability_name(target), pa.float32()) for target in targets),
        pa.field("problem", pa.string()),
        pa.field("warning", pa.string()),
        pa.field("unknown_tokens", pa.int32()),
        pa.field("block_similarity", pa.float32()),
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
    n_targets = len(predictor.model.targets)
    probabilities = np.zeros((len(checked), n_targets), np.float32)
    scored = [item for item in checked if not item.problem]
    probabilities[usable] = predictor.predict([item.smiles for item in scored], [item.ecfp for item in scored])
    finite = np.asarray(np.isfinite(probabilities).all(axis=1))
    no_number = np.where(finite, "", "the model gives no number").tolist()
    problems = [item.problem or problem for item, problem in zip(checked, no_number, strict=True)]
    empty = ~(usable & finite)
    return [
        *(pa.array(probabilities[:, i], pa.float32(), mask=empty) for i in range(n_targets)),
        pa.array(problems, pa.string()),
        pa.array([item.warning for item in checked], pa.string()),
        pa.array([item.unknown_tokens for item in checked], pa.int32(), mask=~usable),
        pa.array([item.block_similarity for item in checked], pa.float32()),
    ]
