"""The masked PR AUC against Keras's own, label by label."""

import keras
import numpy as np
import pytest

from trainer_module.metrics.masked_auc import MaskedAUC

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.choice([0, 1, 2], size=(300, 3), p=[0.6, 0.2, 0.2])
SCORES = np.clip(GENERATOR.random((300, 3)) * 0.7 + 0.3 * (LABELS == 1), 0, 1).astype(np.float32)


def expected_auc(rows: slice = slice(None)) -> float:
    values = []
    for column in range(3):
        known = LABELS[rows, column] != 2
        metric = keras.metrics.AUC(curve="PR")
        metric.update_state(LABELS[rows, column][known], SCORES[rows, column][known])
        values.append(float(metric.result()))
    return float(np.mean(values))


def test_unknown_labels_are_left_out() -> None:
    metric = MaskedAUC(num_labels=3)
    metric.update_state(LABELS, SCORES)
    assert float(metric.result()) == pytest.approx(expected_auc(), abs=1e-5)


def test_batches_add_up_and_reset() -> None:
    metric = MaskedAUC(num_labels=3)
    for start in range(0, 300, 100):
        metric.update_state(LABELS[start : start + 100], SCORES[start : start + 100])
    assert float(metric.result()) == pytest.approx(expected_auc(), abs=1e-5)
    metric.reset_state()
    metric.update_state(LABELS[:50], SCORES[:50])
    assert float(metric.result()) == pytest.approx(expected_auc(slice(50)), abs=1e-5)


def test_a_perfect_ranking_scores_one_and_no_label_is_finite() -> None:
    metric = MaskedAUC(num_labels=1)
    metric.update_state(np.array([[0], [0], [1], [2]]), np.array([[0.1], [0.2], [0.9], [1.0]]))
    assert float(metric.result()) == pytest.approx(1.0, abs=1e-5)
    metric.reset_state()
    metric.update_state(np.array([[2]]), np.array([[0.3]]))
    assert np.isfinite(float(metric.result()))


def test_sample_weights_multiply_the_mask() -> None:
    metric = MaskedAUC(num_labels=3)
    metric.update_state(LABELS, SCORES, sample_weight=(np.arange(300) < 50).astype(np.float32))
    assert float(metric.result()) == pytest.approx(expected_auc(slice(50)), abs=1e-5)
