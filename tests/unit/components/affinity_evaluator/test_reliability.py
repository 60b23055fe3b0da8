"""Reliability before and after calibration, on molecules that the calibration did not see."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit  # type: ignore[import-untyped]  # SciPy ships no types
from sklearn.metrics import brier_score_loss, log_loss

from belka.contract import LABEL_UNKNOWN
from belka.models.calibration import Calibration, fit_calibration, log_odds, probabilities_of
from components.affinity_evaluator import reliability as module
from components.affinity_evaluator.predictions import Predictions
from components.affinity_evaluator.reliability import N_FOLDS, deal_to_folds, measure_reliability

GENERATOR = np.random.default_rng(6)
N = 3_000
TRUE = GENERATOR.normal(-1.0, 1.5, (N, 2))
OWN = (TRUE / 3 + 0.5).astype(np.float64)
LABELS = (GENERATOR.random(TRUE.shape) < expit(TRUE)).astype(np.int8)
BLOCKS = np.full((N, 3), -1, np.int32)
BLOCKS[:, 1] = GENERATOR.integers(0, 40, N)
BLOCKS[:200, 0] = GENERATOR.integers(40, 60, 200)  # these have two new blocks


def predictions(odds: NDArray[np.float64], labels: NDArray[np.int8] = LABELS) -> Predictions:
    return Predictions(np.arange(N), np.ones(N, np.int8), labels, probabilities_of(odds))


def test_before_is_the_model_and_after_is_closer_to_what_is_observed() -> None:
    calibration = fit_calibration(OWN, LABELS)
    found = measure_reliability(predictions(calibration.applied(OWN)), ("A", "B"), calibration, BLOCKS, 1)
    folds = deal_to_folds(np.arange(N), BLOCKS, 1)
    one_fold = np.array([len(set(row) - {-1}) == 1 for row in folds.tolist()])
    for index, one in enumerate(found):
        assert (one.n, one.positives) == (one_fold.sum(), LABELS[one_fold, index].sum())
        assert one.before is not None
        assert one.after is not None
        labels, before = LABELS[one_fold, index], expit(OWN[one_fold, index])
        assert one.before.brier == pytest.approx(brier_score_loss(labels, before), abs=1e-6)
        assert one.before.log_loss == pytest.approx(log_loss(labels, before), abs=1e-6)
        assert one.before.mean_predicted == pytest.approx(before.mean(), abs=1e-6)
        assert one.after.mean_predicted == pytest.approx(labels.mean(), abs=0.02)
        assert one.after.log_loss < one.before.log_loss - 0.03
        assert one.after.expected_error < one.before.expected_error / 3
        assert sum(each.n for each in one.after.bins) == one.n


def test_no_molecule_is_judged_by_a_calibration_that_saw_it() -> None:
    """Scores that say nothing: each fold gets the share of binders of the others, whatever its own is."""
    odds = GENERATOR.normal(0, 1e-3, (N, 1))
    fold = deal_to_folds(np.arange(N), None, 3)[:, 0]
    labels = (GENERATOR.random(N) < np.where(fold == 0, 0.9, 0.1)).astype(np.int8)[:, None]
    calibration = Calibration((1.0,), (0.0,), (N,))
    found = measure_reliability(predictions(odds, labels), ("A",), calibration, None, 3)[0].after
    assert found is not None
    others = [labels[fold != number].mean() for number in range(N_FOLDS)]
    assert found.log_loss == pytest.approx(log_loss(labels[:, 0], np.array(others)[fold]), rel=0.01)


def test_folds_share_no_new_block_and_are_of_one_size() -> None:
    folds = deal_to_folds(np.arange(N), BLOCKS, 1)
    of_block = {int(block): set(folds[:, 1][BLOCKS[:, 1] == block].tolist()) for block in range(40)}
    assert all(len(found) == 1 for found in of_block.values())
    assert (folds[200:, 0] == -1).all()
    alone = deal_to_folds(np.arange(N), None, 1)
    np.testing.assert_allclose(np.bincount(alone[:, 0], minlength=N_FOLDS) / N, 1 / N_FOLDS, atol=0.03)
    assert (deal_to_folds(np.arange(N), None, 2) != alone).any()


def test_a_model_without_calibration_has_no_after() -> None:
    found = measure_reliability(predictions(OWN), ("A", "B"), None, BLOCKS, 1)
    assert [(one.after, one.slope, one.offset) for one in found] == [(None, None, None)] * 2
    assert all(one.before is not None for one in found)


def test_of_many_molecules_as_many_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    calibration = fit_calibration(OWN, LABELS)
    given = predictions(calibration.applied(OWN)), ("A", "B"), calibration, BLOCKS, 1
    whole = measure_reliability(*given)
    monkeypatch.setattr(module, "MOST_MOLECULES", 1_500)
    for one, all_of_them in zip(measure_reliability(*given), whole, strict=True):
        assert one.n == pytest.approx(all_of_them.n / 2, rel=0.02)
        assert one.after is not None
        assert all_of_them.after is not None
        assert one.after.brier == pytest.approx(all_of_them.after.brier, rel=0.1)


def test_what_cannot_be_measured_is_none() -> None:
    labels = LABELS.copy()
    labels[:, 0] = 0
    labels[:, 1] = LABEL_UNKNOWN
    calibration = Calibration((1.0, 1.0), (0.0, 0.0), (0, 0))
    found = measure_reliability(predictions(OWN, labels), ("A", "B"), calibration, BLOCKS, 1)
    assert [(one.before, one.after, one.positives) for one in found] == [(None, None, 0)] * 2
    assert found[1].n == 0
    broken = predictions(OWN)
    broken.probabilities[7] = np.nan
    first = measure_reliability(broken, ("A", "B"), None, None, 1)[0]
    assert first.n == N - 1


def test_log_odds_of_served_probabilities_give_the_models_own_again() -> None:
    calibration = Calibration((2.5, 0.4), (-3.0, 1.0), (9, 9))
    served = probabilities_of(calibration.applied(OWN))
    np.testing.assert_allclose(calibration.undone(log_odds(served)), OWN, atol=1e-4)
