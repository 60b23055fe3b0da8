"""Losses against numbers computed by hand or by Keras."""

from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer_module.losses.binary_loss import BinaryLoss
from trainer_module.losses.categorical_loss import CategoricalLoss
from trainer_module.losses.multi_label_loss import MultiLabelLoss
from trainer_module.losses.regression_loss import RegressionLoss
from trainer_module.losses.weighted_loss import WeightedLoss


def focal(probability: float) -> float:
    return float((1 - probability) ** 2 * -np.log(probability))


# Column 0 holds three 0 and one 1, column 1 two 0 and one 1, and one unknown.
LABELS = np.array([[0, 0], [0, 1], [0, 2], [1, 0]])
SCORES = np.array([[0.2, 0.3], [0.1, 0.6], [0.4, 0.9], [0.7, 0.2]], np.float32)


def test_macro_weights_by_label_and_averages_row_by_row() -> None:
    # alpha = count^-1/2, scaled by (sum of counts) / (sum of alpha x count)
    scale_0, scale_1 = 4 / (3**0.5 + 1), 3 / (2**0.5 + 1)
    zero_0, one_0, zero_1, one_1 = scale_0 * 3**-0.5, scale_0, scale_1 * 2**-0.5, scale_1
    rows = [
        (zero_0 * focal(0.8) + zero_1 * focal(0.7)) / (zero_0 + zero_1),
        (zero_0 * focal(0.9) + one_1 * focal(0.6)) / (zero_0 + one_1),
        focal(0.6),
        (one_0 * focal(0.7) + zero_1 * focal(0.8)) / (one_0 + zero_1),
    ]
    assert float(MultiLabelLoss()(LABELS, SCORES)) == pytest.approx(np.mean(rows), abs=1e-5)


def test_micro_weights_and_averages_over_all_labels() -> None:
    zero, one = 5**-0.5, 2**-0.5
    numerator = zero * (focal(0.8) + focal(0.7) + focal(0.9) + focal(0.6) + focal(0.8)) + one * (
        focal(0.6) + focal(0.7)
    )
    expected = numerator / (5 * zero + 2 * one)
    assert float(MultiLabelLoss(macro=False)(LABELS, SCORES)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("macro", [True, False])
def test_rows_and_labels_without_a_value_count_for_nothing(macro: bool) -> None:
    loss = MultiLabelLoss(macro=macro)
    expected = float(loss(LABELS, SCORES))
    more_rows = float(loss(np.vstack([LABELS, [[2, 2]]]), np.vstack([SCORES, [[0.9, 0.1]]])))
    more_columns = float(loss(np.hstack([LABELS, [[2]] * 4]), np.hstack([SCORES, [[0.5]] * 4])))
    assert more_rows == pytest.approx(expected, abs=1e-6)
    assert more_columns == pytest.approx(expected, abs=1e-6)
    assert float(loss(np.full((3, 2), 2), np.full((3, 2), 0.5))) == 0.0


def test_categorical_loss_looks_at_masked_positions_only() -> None:
    # Tokens 2, 2, 3 and PAD; MASK (id 1) and PAD are not counted. Masked: the first 2 and the 3.
    labels = np.array([[[2, 2], [-1, 2], [3, 3], [-1, 0], [-1, 1]]])
    scores = np.full((1, 5, 4), 0.1, np.float32)
    scores[0, 0, 2], scores[0, 2, 3] = 0.7, 0.4
    two, three = 2**-0.5, 1.0
    expected = (two * focal(0.7) + three * focal(0.4)) / (two + three)
    assert float(CategoricalLoss(vocab_size=4)(labels, scores)) == pytest.approx(expected, abs=1e-5)


def test_categorical_loss_of_a_batch_without_masked_positions_is_zero() -> None:
    labels = np.array([[[-1, 2], [-1, 0]]])
    assert float(CategoricalLoss(vocab_size=4)(labels, np.full((1, 2, 4), 0.25, np.float32))) == 0.0


def test_binary_loss_equals_that_of_keras() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (5, 16)).astype(np.float32)
    scores = generator.random((5, 16)).astype(np.float32)
    expected = keras.losses.BinaryFocalCrossentropy(gamma=2.0)(labels.ravel(), scores.ravel())
    assert float(BinaryLoss()(labels, scores)) == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize(
    ("loss", "labels", "scores"),
    [
        (MultiLabelLoss(), LABELS, SCORES),
        (MultiLabelLoss(macro=False), LABELS, SCORES),
        (BinaryLoss(), LABELS % 2, SCORES),
    ],
    ids=["macro", "micro", "binary"],
)
def test_parts_add_up_and_filling_rows_count_for_nothing(
    loss: WeightedLoss, labels: np.ndarray, scores: np.ndarray
) -> None:
    filled_labels, filled_scores = np.vstack([labels, [[0, 1]]]), np.vstack([scores, [[0.5, 0.5]]]).astype(np.float32)
    weights = loss.weights(filled_labels, np.array([1, 1, 1, 1, 0], np.float32)).numpy()
    parts = [
        float(np.sum(weights[start:stop] * loss.terms(filled_labels[start:stop], filled_scores[start:stop])))
        for start, stop in pairwise((0, 1, 3, 5))
    ]
    assert sum(parts) == pytest.approx(float(loss(labels, scores)), abs=1e-6)


@pytest.mark.parametrize("loss", [MultiLabelLoss(), BinaryLoss()])
def test_certain_mistakes_stay_finite(loss: WeightedLoss) -> None:
    value = float(loss(np.array([[0, 1]]), np.array([[1.0, 0.0]], np.float32)))
    assert value == pytest.approx(-np.log(1e-7), rel=0.01)


def test_losses_survive_serialization() -> None:
    loss = CategoricalLoss(epsilon=1e-3, vocab_size=9, gamma=1.0)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()


def test_the_regression_loss_by_hand() -> None:
    nan = float("nan")
    labels, predicted = np.array([[1.0, nan], [-2.0, 0.5]]), np.array([[0.0, 9.0], [-2.5, 2.5]])
    # Errors 1, -0.5 and 2 of the three that are defined.
    assert float(RegressionLoss()(labels, predicted)) == pytest.approx((1 + 0.25 + 4) / 3)
    assert float(RegressionLoss()(np.full((2, 2), nan), predicted)) == 0.0
    loss = RegressionLoss()
    weights = loss.weights(labels, np.array([1.0, 0.0]))
    np.testing.assert_allclose(weights, [[1.0, 0.0], [0.0, 0.0]])
    assert float(np.sum(weights * loss.terms(labels, predicted))) == pytest.approx(1.0)


def test_what_is_not_defined_has_no_gradient() -> None:
    labels, predicted = tf.constant([[float("nan"), 1.0]]), tf.Variable([[3.0, 3.0]])
    loss = RegressionLoss()
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(loss.weights(labels) * loss.terms(labels, predicted))
    np.testing.assert_allclose(tape.gradient(value, predicted), [[0.0, 4.0]])
