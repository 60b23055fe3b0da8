"""Lines, weights and the transformer's share."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from belka.contract import LABEL_UNKNOWN
from components.ensemble.blend import binary_loss, choose_share, fit_lines, fit_weights, mean_precision

N = 2_000
GENERATOR = np.random.default_rng(4)
LABELS = GENERATOR.integers(0, 2, (N, 1)).astype(np.int8)
GOOD, BAD = (
    (sign * (LABELS - 0.5) + GENERATOR.normal(scale=1.0, size=(N, 1))).astype(np.float32) for sign in (2.0, -2.0)
)
NOISE = GENERATOR.normal(size=(N, 1)).astype(np.float32)
GROUPS = np.zeros(N, np.int8)


def test_a_line_is_a_logistic_regression() -> None:
    line = fit_lines(GOOD, LABELS)
    model = LogisticRegression(C=1e6).fit(GOOD, LABELS[:, 0])
    assert line.slope[0] == pytest.approx(model.coef_[0, 0], rel=0.02)
    assert line.offset[0] == pytest.approx(model.intercept_[0], abs=0.02)


def test_no_weight_is_negative_and_noise_has_little() -> None:
    weights, _ = fit_weights(np.stack([GOOD, BAD, NOISE], axis=2), LABELS)
    assert (weights >= 0).all()
    assert weights[0, 1] == 0.0
    assert weights[0, 2] < 0.1 * weights[0, 0]


def test_what_was_not_scored_or_is_unknown_does_not_count() -> None:
    odds, labels = np.stack([GOOD, NOISE], axis=2), LABELS.copy()
    expected = fit_weights(odds[100:], labels[100:])
    odds[:50] = np.nan
    labels[50:100] = LABEL_UNKNOWN
    for found, same in zip(fit_weights(odds, labels), expected, strict=True):
        np.testing.assert_array_equal(found, same)


def test_labels_that_are_all_equal_give_equal_weights() -> None:
    weights, _ = fit_weights(np.stack([GOOD, NOISE], axis=2), np.ones_like(LABELS))
    np.testing.assert_array_equal(weights, [[0.5, 0.5]])


def test_without_a_member_that_reads_no_blocks_the_share_of_all_is_left() -> None:
    for labels in (LABELS, np.ones_like(LABELS)):
        weights, offsets = fit_weights(np.empty((N, 1, 0), np.float32), labels)
        assert weights.shape == (1, 0)
        expected = np.log((labels.sum() + 0.5) / ((1 - labels).sum() + 0.5))
        np.testing.assert_allclose(offsets, expected, atol=1e-3)


def test_the_share_is_that_of_the_better_one() -> None:
    assert choose_share(NOISE, GOOD, LABELS, GROUPS)[0] > 0.8
    assert choose_share(GOOD, BAD, LABELS, GROUPS)[0] == 0.0
    share, precision = choose_share(GOOD, GOOD, LABELS, GROUPS)
    assert share == 0.0
    assert precision == pytest.approx(average_precision_score(LABELS, GOOD))
    assert np.isnan(choose_share(GOOD, BAD, np.full_like(LABELS, LABEL_UNKNOWN), GROUPS)).all()


def test_precision_is_the_mean_over_groups_with_both_labels() -> None:
    groups = np.arange(N) % 3
    labels = LABELS.copy()
    labels[groups == 2] = 1
    expected = [average_precision_score(labels[groups == g], GOOD[groups == g]) for g in (0, 1)]
    assert mean_precision(GOOD, labels, groups.astype(np.int8)) == pytest.approx(np.mean(expected))


def test_loss_by_hand() -> None:
    odds = np.array([[0.0], [np.nan], [2.0], [5.0]], np.float32)
    labels = np.array([[1], [1], [0], [LABEL_UNKNOWN]], np.int8)
    assert binary_loss(odds, labels)[0] == pytest.approx((np.log(2) + np.log1p(np.exp(2))) / 2)
