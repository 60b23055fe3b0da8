"""Train the members anew on draws of the training molecules, and score what each draw holds out."""

import logging
import shutil
from pathlib import Path

import numpy as np

from belka.models.calibration import probabilities_of
from belka.models.draw_scores import DrawScores
from belka.progress import counted
from components.ensemble.draws import make_draw, score_members
from components.ensemble.export import member_graphs
from components.ensemble.members import Training
from components.ensemble.train import (
    EnsembleRequest,
    check_blocks,
    fit_blend,
    kept_folder,
    train_members,
    training_molecules,
)

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
        training = Training(molecules.take(~held_out), request.settings, request.seed, kept_dir / str(number))
        check_blocks(training, request.members)
        fits, scored = train_members(training, request.members), molecules.take(held_out)
        blend = fit_blend(training, fits, request)
        odds = score_members(member_graphs(training, fits), blend, scored, request.targets)
        found.append(DrawScores(scored.ids, groups[held_out], probabilities_of(blend.whole_odds(odds))))
        logger.info("Draw %d holds out %d of %d molecules.", number, len(scored.ids), len(molecules.ids))
    shutil.rmtree(kept_dir, ignore_errors=True)
    return found
