"""Train the members anew on draws of the training molecules, and score what each draw holds out."""

import logging
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from belka.models.calibration import probabilities_of
from belka.models.draw_scores import DrawScores
from belka.progress import counted
from components.ensemble.draws import make_draw, score_members
from components.ensemble.export import member_graphs
from components.ensemble.library import Floats
from components.ensemble.members import Training
from components.ensemble.train import (
    EnsembleRequest,
    check_blocks,
    fit_blend,
    kept_folder,
    train_members,
    training_molecules,
)
from components.ensemble.training_data import LabelledMolecules

logger = logging.getLogger(__name__)


def score_draws(examples_dir: Path, request: EnsembleRequest, draws: int, *, work_dir: Path) -> list[DrawScores]:
    """Train and score the members beside the transformer, draw by draw.

    Args:
        examples_dir: Examples with the split train.
        request: As for the model itself; its transformer takes no part, for it takes longer than all others together.
        draws: Number of draws, at least 1.
        work_dir: Keeps finished members until all draws are done, so that a killed step goes on.

    Returns:
        The molecules that each draw holds out, those with blocks, scored by the blend of the members.

    Raises:
        BelkaError: Examples cannot be read.
        InputError: There are too few molecules with blocks.
    """
    molecules = training_molecules(examples_dir, request)
    with_blocks = np.flatnonzero(molecules.has_blocks)
    kept_dir = kept_folder(work_dir, request, molecules) / "draws"
    found = []
    for number in counted(range(1, draws + 1), "training members on draws", "draws", draws):
        held_out, groups = np.zeros(len(molecules.ids), np.bool_), np.zeros(len(molecules.ids), np.int8)
        held_out[with_blocks], groups[with_blocks] = make_draw(molecules.blocks[with_blocks], [request.seed, number])
        odds = score_held_out(molecules, held_out, request, kept_dir / str(number))
        found.append(DrawScores(molecules.ids[held_out], groups[held_out], probabilities_of(odds)))
        logger.info("Draw %d holds out %d of %d molecules.", number, len(odds), len(molecules.ids))
    shutil.rmtree(kept_dir, ignore_errors=True)
    return found


def score_held_out(
    molecules: LabelledMolecules, held_out: NDArray[np.bool_], request: EnsembleRequest, kept_dir: Path
) -> Floats:
    """Log-odds of some molecules by the blend of the members that are trained on all others.

    Args:
        molecules: All of them.
        held_out: Which are scored, bool [n]; each has blocks.
        request: The members, their settings and the seed.
        kept_dir: Keeps finished members, so that a killed attempt goes on.

    Returns:
        float32 [n_held_out, n_targets], without the transformer.

    Raises:
        InputError: There are too few molecules with blocks to learn from.
    """
    training = Training(molecules.take(~held_out), request.settings, request.seed, kept_dir)
    check_blocks(training, request.members)
    fits = train_members(training, request.members)
    blend = fit_blend(training, fits, request)
    odds = score_members(member_graphs(training, fits), blend, molecules.take(held_out), request.targets)
    return blend.whole_odds(odds)
