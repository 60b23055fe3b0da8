"""Calibration: what is learnt, that rankings stay, and that TensorFlow computes what numpy does."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit  # type: ignore[import-untyped]  # SciPy ships no types
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss

from belka.contract import DESCRIPTION_FILE, LABEL_UNKNOWN
from belka.errors import InputError
from belka.models import calibration as module
from belka.models.calibration import LEAST_SLOPE, Calibration, fit_calibration, log_odds, probabilities_of
from belka.models.calibration_graph import calibrated_probabilities
from belka.models.calibration_graph import log_odds as graph_log_odds
from belka.models.description import ModelDescription, read_description, write_description

GENERATOR = np.random.default_rng(8)
TRUE_ODDS = GENERATOR.normal(-1.5, 1.5, (4_000, 2))
LABELS = (GENERATOR.random(TRUE_ODDS.shape) < expit(TRUE_ODDS)).astype(np.int8)
# A model whose probabilities huddle around one half, as the focal loss leaves them.
SHY = TRUE_ODDS / [2.5, 4.0] + [0.4, -0.2]


def test_what_a_model_holds_back_is_found_again() -> None:
    found = fit_calibration(SHY, LABELS)
    np.testing.assert_allclose(found.slopes, [2.5, 4.0], rtol=0.1)
    np.testing.assert_allclose(found.offsets, [-2.5 * 0.4, 4.0 * 0.2], atol=0.15)
    assert found.molecules == (4_000, 4_000)
    for target in range(2):
        before, after = (log_loss(LABELS[:, target], expit(odds)[:, target]) for odds in (SHY, found.applied(SHY)))
        assert after < before - 0.02


def test_the_line_is_scikit_learns_on_platts_labels() -> None:
    odds, hits = SHY[:300, 0], LABELS[:300, 0]
    found = fit_calibration(odds[:, None], hits[:, None])
    wanted = np.where(hits == 1, (hits.sum() + 1) / (hits.sum() + 2), 1 / ((1 - hits).sum() + 2))
    both = np.concatenate([odds, odds])[:, None]
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000)
    model.fit(both, np.repeat([1, 0], 300), sample_weight=np.concatenate([wanted, 1 - wanted]))
    assert found.slopes[0] == pytest.approx(model.coef_[0, 0], rel=1e-3)
    assert found.offsets[0] == pytest.approx(model.intercept_[0], abs=1e-3)


def test_what_is_unknown_or_not_finite_does_not_count() -> None:
    odds, labels = SHY.copy(), LABELS.copy()
    expected = fit_calibration(odds[100:], labels[100:])
    labels[:60] = LABEL_UNKNOWN
    odds[60:100] = np.nan
    assert fit_calibration(odds, labels) == expected


def test_of_many_molecules_as_many_are_used_wherever_the_hits_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    order = np.argsort(LABELS[:, 0], kind="stable")
    expected = fit_calibration(SHY[order], LABELS[order])
    monkeypatch.setattr(module, "MOST_MOLECULES", 1_000)
    found = fit_calibration(SHY[order], LABELS[order])
    assert found.molecules == (1_000, 1_000)
    np.testing.assert_allclose(found.slopes, expected.slopes, rtol=0.25)
    np.testing.assert_allclose(found.offsets, expected.offsets, atol=0.5)


@pytest.mark.parametrize("label", [0, 1, LABEL_UNKNOWN])
def test_a_target_without_both_labels_keeps_its_probabilities(label: int) -> None:
    labels = LABELS.copy()
    labels[:, 1] = label
    found = fit_calibration(SHY, labels)
    assert (found.slopes[1], found.offsets[1], found.molecules[1]) == (1.0, 0.0, 0)
    assert found.slopes[0] > 2


def test_a_model_worse_than_chance_keeps_its_ranking() -> None:
    found = fit_calibration(-SHY, LABELS)
    np.testing.assert_allclose(found.slopes, LEAST_SLOPE)
    np.testing.assert_allclose(probabilities_of(found.applied(-SHY)).mean(axis=0), LABELS.mean(axis=0), atol=0.01)


def test_a_perfect_model_stays_within_what_numbers_hold() -> None:
    odds = np.where(LABELS[:200] == 1, 3.0, -3.0)
    probabilities = probabilities_of(fit_calibration(odds, LABELS[:200]).applied(odds))
    assert probabilities.max() < 1 - 1e-3
    assert probabilities.min() > 1e-3


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1.0, -1.0, 0.2, 20.0]))
def test_no_two_molecules_change_places(seed: int, factor: float) -> None:
    generator = np.random.default_rng(seed)
    odds = factor * generator.normal(-2, 1.5, (200, 1))
    labels = (generator.random((200, 1)) < 0.3).astype(np.int8)
    labels[:2] = [[0], [1]]
    served = fit_calibration(odds, labels).applied(odds)
    assert average_precision_score(labels, served) == average_precision_score(labels, odds)
    # In single precision two may become equal, never swapped.
    assert (np.diff(probabilities_of(served[np.argsort(odds[:, 0])])[:, 0]) >= 0).all()


def test_a_calibration_can_be_taken_back() -> None:
    calibration = Calibration((2.5, 0.3), (-1.0, 2.0), (9, 9))
    np.testing.assert_allclose(calibration.undone(calibration.applied(SHY)), SHY, atol=1e-12)


def test_tensorflow_computes_the_same() -> None:
    probabilities = np.concatenate([expit(SHY), [[0.0, 1.0], [1e-25, 1 - 1e-7]]]).astype(np.float32)
    calibration = fit_calibration(SHY, LABELS)
    graph = tf.function(lambda values: calibrated_probabilities(graph_log_odds(values), calibration))
    found = graph(probabilities).numpy()
    np.testing.assert_allclose(found, probabilities_of(calibration.applied(log_odds(probabilities))), rtol=2e-5)
    assert np.isfinite(found).all()
    plain = calibrated_probabilities(graph_log_odds(probabilities), None)
    np.testing.assert_allclose(plain, probabilities, rtol=1e-5, atol=1e-29)


def test_the_description_keeps_it(tmp_path: Path) -> None:
    described = ModelDescription(targets=("A", "B"), calibration=fit_calibration(SHY, LABELS))
    write_description(tmp_path, described)
    assert read_description(tmp_path) == described
    write_description(tmp_path, replace(described, calibration=None))
    assert "calibration" not in json.loads((tmp_path / DESCRIPTION_FILE).read_text())
    assert read_description(tmp_path) == replace(described, calibration=None)


@pytest.mark.parametrize(
    "damaged", [{"slopes": [1.0]}, {"slopes": [1.0], "offsets": [0, 0], "molecules": [1]}, {"slopes": [0.0]}, 3]
)
def test_a_damaged_calibration_is_refused(tmp_path: Path, damaged: object) -> None:
    write_description(tmp_path, ModelDescription())
    content = json.loads((tmp_path / DESCRIPTION_FILE).read_text())
    if isinstance(damaged, dict) and damaged["slopes"] == [0.0]:
        damaged = {"slopes": [0.0], "offsets": [0.0], "molecules": [1]}
    (tmp_path / DESCRIPTION_FILE).write_text(json.dumps({**content, "calibration": damaged}))
    with pytest.raises(InputError, match="description cannot be read"):
        read_description(tmp_path)
