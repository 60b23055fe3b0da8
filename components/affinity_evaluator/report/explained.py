"""What the parts of the molecules of highest prediction bring to it, drawn."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belka.contract import LABEL_UNKNOWN
from belka.errors import BelkaError
from belka.explanation.explain import Explainer, Explanation, deletion_summary
from belka.pages.drawing import draw_smiles
from components.affinity_evaluator.predictions import Predictions
from components.affinity_evaluator.report.structures import validation_smiles

PER_TARGET: Final = 2  # each takes some 150 predictions
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BlockShare:
    """What a building block brings.

    Attributes:
        place: Its position, 1 to 3.
        smiles: The block, with * where the core is.
        contribution: Log-odds that it brings.
    """

    place: int
    smiles: str
    contribution: float


@dataclass(frozen=True)
class ExplainedMolecule:
    """A molecule of high prediction.

    Attributes:
        target: Protein.
        label: 0 or 1; None = not measured.
        probability: Predicted.
        blocks: What its building blocks bring; none where it has no three of them.
        smiles: As the model gets it.
        svg: Its drawing, atoms coloured by what they bring; empty where it cannot be drawn.
    """

    target: str
    label: int | None
    probability: float
    blocks: tuple[BlockShare, ...]
    smiles: str
    svg: str


@dataclass(frozen=True)
class ExplainedBest:
    """What the report says of the highest predictions.

    Attributes:
        molecules: By target, the highest first; at most PER_TARGET each.
        deletion: What the deletion test says of them, in a sentence; empty where none has an explanation.
    """

    molecules: tuple[ExplainedMolecule, ...] = ()
    deletion: str = ""


def explain_best(
    model_dir: Path, predictions: Predictions, molecules_dir: Path, targets: Sequence[str]
) -> ExplainedBest:
    """Explain the validation molecules of highest probability.

    Args:
        model_dir: The SavedModel.
        predictions: Of the validation molecules.
        molecules_dir: Folder written by ParquetMerge.
        targets: Target names.

    Returns:
        Nothing where the model takes no SMILES: the report is worth having without it.
    """
    try:
        explainer = Explainer(model_dir)
    except BelkaError as error:
        logger.warning("The report explains no predictions: %s", error.problem)
        return ExplainedBest()
    probabilities = predictions.probabilities
    best = [(int(row), i) for i in range(len(targets)) for row in _highest(probabilities[:, i])]
    smiles = validation_smiles(molecules_dir, predictions.ids[np.array([row for row, _ in best], np.int64)])
    known, molecules = dict[str, Explanation | None](), []
    for row, index in best:
        text = smiles.get(int(predictions.ids[row]), "")
        if text not in known:
            known[text] = _explained(explainer, text)
        found, label = known[text], int(predictions.labels[row, index])
        if found is not None:
            measured = None if label == LABEL_UNKNOWN else label
            molecules.append(_molecule(found, targets[index], index, measured, float(probabilities[row, index])))
    explanations = [each for each in known.values() if each is not None]
    return ExplainedBest(tuple(molecules), deletion_summary(explanations, targets))


def _highest(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.argsort(-probabilities, kind="stable")[:PER_TARGET]


def _explained(explainer: Explainer, smiles: str) -> Explanation | None:
    """An explanation; None where there is none."""
    try:
        (found,) = explainer.explain([smiles])
    except BelkaError as error:
        logger.warning("The report does not explain %s: %s", smiles, error.problem)
        return None
    return None if found.problem else found


def _molecule(found: Explanation, target: str, index: int, label: int | None, probability: float) -> ExplainedMolecule:
    shares = {kind: [part for part in found.parts if part.kind == kind] for kind in ("block", "atom")}
    blocks = tuple(BlockShare(part.place, part.name, float(part.contributions[index])) for part in shares["block"])
    weights = [float(part.contributions[index]) for part in shares["atom"]]
    return ExplainedMolecule(target, label, probability, blocks, found.smiles, draw_smiles(found.smiles, weights))
