"""Counts by cell give scikit-learn's values, on the molecules themselves and on any resample of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from components.affinity_evaluator.ranking import RankedCells, RankedMolecules, top_size

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
    levels = np.array([0.1, 0.3, 0.5, 1.0])
    molecules = RankedMolecules.from_predictions(labels, scores)
    weights = [np.bincount(d, minlength=len(labels)).astype(np.float64) for d in drawn]
    resampled = molecules.counted(np.array([molecules.count(w) for w in weights]))
    for i, d in enumerate(drawn):
        if 0 < labels[d].sum() < len(d):
            sample = labels[d], scores[d]
            assert resampled.average_precision()[i] == pytest.approx(average_precision_score(*sample), abs=1e-12)
            assert resampled.roc_auc()[i] == pytest.approx(roc_auc_score(*sample), abs=1e-12)
            assert resampled.enrichment(0.1)[i] == pytest.approx(expected_enrichment(*sample, 0.1), abs=1e-9)
            precision, recall, _ = precision_recall_curve(*sample)
            for level, found in zip(levels, resampled.precision_at(levels)[i], strict=True):
                # scikit-learn's recall descends: the last point that still reaches the level has its threshold.
                assert found == pytest.approx(precision[np.flatnonzero(recall >= level - 1e-9)[-1]], abs=1e-12)


def test_cells_by_hand() -> None:
    # Ranked: 0.9 (neg), 0.8 (pos, pos, neg), 0.5 (neg), 0.4 (pos), 0.1 (neg, neg)
    rows = [(0, 0.9), (1, 0.8), (1, 0.8), (0, 0.8), (0, 0.5), (1, 0.4), (0, 0.1), (0, 0.1)]
    cells = RankedCells.from_predictions(*arrays(rows))
    assert (cells.positives.tolist(), cells.tied.tolist(), cells.gaps.tolist()) == ([2, 1], [1, 0], [1, 1, 2])
    # The first two molecules hold the negative and one of three tied: 2/3 hits of 2, against 3 of 8 in all.
    assert float(cells.enrichment(0.25)) == pytest.approx((2 / 3 / 2) / (3 / 8))


@pytest.mark.parametrize(("n", "share", "top"), [(10, 0.001, 1), (1000, 0.001, 1), (1001, 0.001, 2), (50, 1.0, 50)])
def test_top_size(n: int, share: float, top: int) -> None:
    assert top_size(n, share) == top
