"""Several draws: members and baselines on the same held-out molecules, trained on the same others."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from belka.contract import EVALUATION_FILE, LABEL_UNKNOWN, SplitGroup, Subset
from belka.models.draw_scores import DrawScores
from components.affinity_evaluator.baselines.compare import TrainingSource
from components.affinity_evaluator.baselines.draws import DrawnComparisons, compare_draws
from components.affinity_evaluator.baselines.models import Training, fit_logistic
from components.affinity_evaluator.baselines.rows import Rows, sample_rows
from components.affinity_evaluator.evaluate import evaluate_model
from components.affinity_evaluator.settings import EvaluationSettings

TARGETS = ("BRD4", "HSA")


@pytest.fixture(scope="module")
def training(library: Any) -> Training:
    rows, _ = sample_rows(
        library.files(Subset.TRAIN), library.molecules_dir, n_targets=len(TARGETS), limit=1_000, seed=1
    )
    return Training(rows, TARGETS, 24, "ecfp", 1)


def draw(library: Any, first_block: int, scores: np.ndarray[Any, np.dtype[np.float32]]) -> DrawScores:
    """Holds out the molecules of one first block, and some others."""
    taught = library.rows(Subset.TRAIN)
    ids = taught[(library.blocks[taught, 0] == first_block) | (taught % 4 == 0)]
    groups = np.where(library.blocks[ids, 0] == first_block, SplitGroup.NON_SHARED, SplitGroup.SHARED)
    return DrawScores(ids, groups.astype(np.int8), scores[ids])


def expected_mean(library: Any, draw: DrawScores, scores: np.ndarray[Any, np.dtype[np.float32]]) -> float:
    found = []
    for group in SplitGroup:
        for target in range(len(TARGETS)):
            labels = library.labels[draw.ids, target]
            rows = (draw.groups == group) & (labels != LABEL_UNKNOWN)
            found.append(average_precision_score(labels[rows], scores[rows, target]))
    return float(np.mean(found))


@pytest.fixture(scope="module")
def compared(library: Any, training: Training) -> tuple[list[DrawScores], DrawnComparisons]:
    scores = np.random.default_rng(2).random((len(library.labels), 2)).astype(np.float32)
    draws = [draw(library, 3, scores), draw(library, 5, scores)]
    found = compare_draws(draws, training)
    assert found is not None
    return draws, found


def test_members_are_measured_as_the_competition_does(
    library: Any, compared: tuple[list[DrawScores], DrawnComparisons]
) -> None:
    draws, found = compared
    means = [expected_mean(library, one, one.probabilities) for one in draws]
    assert found.members.values == pytest.approx(means)
    assert found.members.mean == pytest.approx(np.mean(means))
    assert found.members.sd == pytest.approx(np.std(means, ddof=1))
    assert found.molecules == sum(len(one.ids) for one in draws)


def test_a_baseline_learns_from_what_the_draw_leaves_and_from_nothing_else(
    library: Any, training: Training, compared: tuple[list[DrawScores], DrawnComparisons]
) -> None:
    draws, found = compared
    for number, one in enumerate(draws):
        kept = ~np.isin(training.rows.ids, one.ids)
        left = Rows(*(getattr(training.rows, name)[kept] for name in ("ids", "packed", "blocks", "labels")))
        scored = Rows(one.ids, library.packed[one.ids], library.blocks[one.ids], library.labels[one.ids])
        baseline = fit_logistic(Training(left, TARGETS, 24, "ecfp", 1)).predict(scored)
        mean = expected_mean(library, one, baseline)
        assert found.baselines["logistic"].values[number] == pytest.approx(mean, abs=0.002)
        gain = found.members.values[number] - found.baselines["logistic"].values[number]
        assert found.gains["logistic"].values[number] == pytest.approx(gain)
    gains = found.gains["logistic"]
    assert gains.above_zero == sum(value > 0 for value in gains.values)
    assert found.baselines["logistic"].mean > found.members.mean, "random scores are no better than a model"


def test_what_is_not_in_the_sample_counts_for_neither(library: Any, training: Training) -> None:
    scores = np.random.default_rng(2).random((len(library.labels), 2)).astype(np.float32)
    one = draw(library, 3, scores)
    part = training.rows.ids < 200
    rows = Rows(*(getattr(training.rows, name)[part] for name in ("ids", "packed", "blocks", "labels")))
    found = compare_draws([one], Training(rows, TARGETS, 24, "ecfp", 1))
    assert found is not None
    assert found.molecules == int((one.ids < 200).sum())
    assert found.members.sd is None


def test_a_draw_without_both_labels_is_no_comparison(training: Training) -> None:
    nothing = DrawScores(np.empty(0, np.int64), np.empty(0, np.int8), np.empty((0, 2), np.float32))
    assert compare_draws([nothing], training) is None


def test_the_evaluation_holds_them(library: Any, export_model: Callable[..., Path], tmp_path: Path) -> None:
    scores = np.random.default_rng(2).random((len(library.labels), 2)).astype(np.float32)
    one = draw(library, 3, scores)
    found = evaluate_model(
        export_model(tmp_path / "serving", n_targets=2),
        library.files(Subset.VALIDATION),
        tmp_path,
        targets=TARGETS,
        settings=EvaluationSettings(bootstrap_samples=5, draws=1),
        seed=42,
        training=TrainingSource(library.files(Subset.TRAIN), library.molecules_dir, [one]),
    )
    written = json.loads((tmp_path / EVALUATION_FILE).read_text())["draws"]
    assert found.draws is not None
    assert written["members"]["values"] == list(found.draws.members.values)
    assert written["members"]["mean"] == pytest.approx(expected_mean(library, one, one.probabilities))
    assert sorted(written["gains"]) == ["blocks", "lightgbm", "logistic"]
