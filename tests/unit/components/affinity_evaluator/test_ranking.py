"""Counts by cell give scikit-learn's values, on the molecules themselves and on any resample of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from components.affinity_evaluator.ranking import RankedCells, top_size

Rows = list[tuple[int, float]]
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20).map(lambda i: i / 20)), min_size=2, max_size=80)


def arrays(rows: Rows) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    return np.array([row[0] for row in rows], np.int8), np.array([row[1] for row in rows], np.float32)


def expected_enrichment(labels: NDArray[np.int8], scores: NDArray[np.float32], share: float) -> float:
    """Average over many random orders of the ties, by hand: a tie at the border counts in proportion."""
    top = top_size(len(labels), share)
    border = np.sort(scores)[::-1][top - 1]
    above, tied = scores > border, scores == border
    hits = labels[above].sum() + (top - above.sum()) * labels[tied].mean()
    return float(hits / top / labels.mean())


@given(ROWS, st.floats(0.001, 1.0))
def test_cells_equal_scikit_learn(rows: Rows, share: float) -> None:
    labels, scores = arrays(rows)
    if labels.min() == labels.max():
        return
    cells = RankedCells.from_predictions(labels, scores)
    assert float(cells.average_precision()) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert float(cells.roc_auc()) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert float(cells.enrichment(share)) == pytest.approx(expected_enrichment(labels, scores, share), abs=1e-9)


@given(ROWS, st.integers(0, 2**31))
def test_any_resample_equals_scikit_learn(rows: Rows, seed: int) -> None:
    labels, scores = arrays(rows)
    if labels.min() == labels.max():
        return
    drawn = np.random.default_rng(seed).integers(len(labels), size=(3, len(labels)))
    cells = RankedCells.from_predictions(labels, scores)
    thresholds = np.unique(scores[labels == 1])[::-1]
    resampled = RankedCells(
        positives=np.array([[(labels[d] & (scores[d] == t)).sum() for t in thresholds] for d in drawn]),
        tied=np.array([[((1 - labels[d]) & (scores[d] == t)).sum() for t in thresholds] for d in drawn]),
        gaps=np.array(
            [
                [
                    ((labels[d] == 0) & (scores[d] < high) & (scores[d] > low)).sum()
                    for high, low in zip([np.inf, *thresholds], [*thresholds, -np.inf], strict=True)
                ]
                for d in drawn
            ]
        ),
    )
    assert resampled.gaps.shape[1] == cells.gaps.size
    for i, d in enumerate(drawn):
        if 0 < labels[d].sum() < len(d):
            sample = labels[d], scores[d]
            assert resampled.average_precision()[i] == pytest.approx(average_precision_score(*sample), abs=1e-12)
            assert resampled.roc_auc()[i] == pytest.approx(roc_auc_score(*sample), abs=1e-12)
            assert resampled.enrichment(0.1)[i] == pytest.approx(expected_enrichment(*sample, 0.1), abs=1e-9)


def test_cells_by_hand() -> None:
    # Ranked: 0.9 (neg), 0.8 (pos, pos, neg), 0.5 (neg), 0.4 (pos), 0.1 (neg, neg)
    rows = [(0, 0.9), (1, 0.8), (1, 0.8), (0, 0.8), (0, 0.5), (1, 0.4), (0, 0.1), (0, 0.1)]
    cells = RankedCells.from_predictions(*arrays(rows))
    assert (cells.positives.tolist(), cells.tied.tolist(), cells.gaps.tolist()) == ([2, 1], [1, 0], [1, 1, 2])
    # The first two molecules hold the negative and one of three tied: 2/3 hits of 2, against 3 of 8 in all.
    assert float(cells.enrichment(0.25)) == pytest.approx((2 / 3 / 2) / (3 / 8))


def test_resamples_have_the_distribution_of_drawn_molecules() -> None:
    rng = np.random.default_rng(5)
    labels = (rng.random(300) < 0.1).astype(np.int8)
    scores = (rng.random(300) * 0.7 + labels * 0.3).astype(np.float32)
    cells = RankedCells.from_predictions(labels, scores)
    fast = cells.resample(rng, 4000).average_precision()
    drawn = rng.integers(300, size=(1500, 300))
    plain = np.array([average_precision_score(labels[d], scores[d]) for d in drawn])
    for quantile in (0.05, 0.5, 0.95):
        assert np.quantile(fast, quantile) == pytest.approx(np.quantile(plain, quantile), abs=0.02)
    assert cells.resample(rng, 7).positives.shape == (7, cells.positives.size)
    members = cells.resample(rng, 7)
    assert (members.positives.sum(1) + members.tied.sum(1) + members.gaps.sum(1)).tolist() == [300] * 7


@pytest.mark.parametrize(("n", "share", "top"), [(10, 0.001, 1), (1000, 0.001, 1), (1001, 0.001, 2), (50, 1.0, 50)])
def test_top_size(n: int, share: float, top: int) -> None:
    assert top_size(n, share) == top
