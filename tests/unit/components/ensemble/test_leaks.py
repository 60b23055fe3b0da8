"""Labels that say nothing teach nothing: no member finds out of fold what only the molecule's own label can tell."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parent))

from made_up_library import KINDS, made_up_molecules, small_settings  # type: ignore[import-not-found]

from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN
from components.ensemble.blend import Line
from components.ensemble.draws import make_draw, score_members
from components.ensemble.export import member_graphs
from components.ensemble.kept import Arrays
from components.ensemble.library import Floats
from components.ensemble.members import Training
from components.ensemble.train import EnsembleRequest, fit_blend, train_members
from components.ensemble.training_data import LabelledMolecules

MEMBERS = tuple(kind for kind in KINDS if kind != "transformer")
TARGETS = ("BRD4", "HSA")


def area(scores: Floats, binds: NDArray[np.int8]) -> float:
    """Area under the ROC curve, meaned over targets."""
    known = binds != LABEL_UNKNOWN
    return float(
        np.mean(
            [
                roc_auc_score(binds[rows, target] == LABEL_POSITIVE, scores[rows, target])
                for target, rows in enumerate(known.T)
            ]
        )
    )


@pytest.fixture(scope="module")
def molecules() -> LabelledMolecules:
    """Labels are dealt anew, by rows: which proteins of a molecule are known goes with what they are."""
    made = made_up_molecules(2_000, seed=3)
    made = made.take(made.has_blocks)
    dealt: LabelledMolecules = made._replace(binds=np.random.default_rng(1).permutation(made.binds))
    return dealt


@pytest.fixture(scope="module")
def held_out(molecules: LabelledMolecules) -> NDArray[np.bool_]:
    return make_draw(molecules.blocks, 5)[0]


Fits = tuple[Training, dict[str, Arrays]]


@pytest.fixture(scope="module")
def shuffled(
    molecules: LabelledMolecules, held_out: NDArray[np.bool_], tmp_path_factory: pytest.TempPathFactory
) -> Fits:
    training = Training(molecules.take(~held_out), small_settings(), seed=7, folder=tmp_path_factory.mktemp("shuffled"))
    return training, train_members(training, KINDS)


def test_out_of_fold_no_member_ranks_labels_that_say_nothing(shuffled: Fits) -> None:
    training, fits = shuffled
    for kind in MEMBERS:
        scores = fits[kind]["out_of_fold"]
        rows = training.rows if kind == "linear" else training.rows[training.rows_with_blocks]
        assert area(scores, training.binds[rows[: len(scores)]]) == pytest.approx(0.5, abs=0.05), kind


def test_on_validation_neither_member_nor_blend_ranks(
    shuffled: Fits, molecules: LabelledMolecules, held_out: NDArray[np.bool_]
) -> None:
    training, fits = shuffled
    request = EnsembleRequest(KINDS, TARGETS, training.settings, training.seed)
    blend, validation = fit_blend(training, fits, request), molecules.take(held_out)
    ones, zeros = np.ones(len(TARGETS), np.float32), np.zeros(len(TARGETS), np.float32)
    raw = replace(blend, lines=dict.fromkeys(blend.lines, Line(ones, zeros)))  # a line may be flat here
    scores, odds = (score_members(member_graphs(training, fits), one, validation, TARGETS) for one in (raw, blend))
    areas = {kind: area(scores[:, :, place], validation.binds) for place, kind in enumerate(blend.lines)}
    areas["blend"] = area(blend.whole_odds(odds), validation.binds)
    assert areas == {kind: pytest.approx(0.5, abs=0.07) for kind in (*MEMBERS, "blend")}
