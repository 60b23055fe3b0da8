import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.affinity_evaluator.predictions import known
from components.affinity_evaluator.slices import SliceMetrics, mean_average_precision, slice_metrics


def metrics(labels: list[int], probabilities: list[float]) -> SliceMetrics:
    return slice_metrics("HSA", "shared", np.array(labels, np.int8), np.array(probabilities, np.float32))


def test_by_hand() -> None:
    # Ranked: 1 0 1 0. Precision at the positives: 1/1 and 2/3, each with half of the recall. 3 of 4 pairs in order.
    found = metrics([0, 1, 0, 1], [0.7, 0.9, 0.1, 0.5])
    assert found.average_precision == pytest.approx((1 + 2 / 3) / 2, abs=1e-12)
    assert found.roc_auc == pytest.approx(3 / 4, abs=1e-12)
    assert (found.n, found.positives, found.prevalence, found.reason) == (4, 2, 0.5, "")


def test_all_tied_is_the_prevalence() -> None:
    found = metrics([1, 0, 0, 0], [0.5] * 4)
    assert (found.average_precision, found.roc_auc) == (0.25, 0.5)


@pytest.mark.parametrize(
    ("labels", "probabilities", "reason"),
    [
        ([], [], "no molecule with a known label"),
        ([0, 0], [0.1, 0.2], "no positive"),
        ([1, 1], [0.1, 0.2], "no negative"),
        ([1, 0, 0], [0.1, float("nan"), float("inf")], "2 predictions that are not finite"),
    ],
)
def test_a_slice_that_does_not_exist_says_why(labels: list[int], probabilities: list[float], reason: str) -> None:
    found = metrics(labels, probabilities)
    assert found.reason == reason
    assert (found.average_precision, found.roc_auc) == (None, None)
    assert (found.n, found.positives) == (len(labels), sum(labels))
    assert (found.prevalence is None) == (not labels)


def test_more_positives_than_int8_holds() -> None:
    assert metrics([1] * 300 + [0], [0.5] * 301).positives == 300


def test_mean_is_plain_over_slices_that_exist() -> None:
    small, large, absent = metrics([1, 0], [0.9, 0.1]), metrics([1] + [0] * 9, [0.5] * 10), metrics([0], [0.5])
    assert mean_average_precision([small, large, absent]) == pytest.approx((1.0 + 0.1) / 2, abs=1e-12)
    assert mean_average_precision([absent]) is None
    assert mean_average_precision([]) is None


def test_unknown_labels_are_marked() -> None:
    assert known(np.array([0, 1, 2], np.int8)).tolist() == [True, True, False]


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1, width=16)), min_size=1, max_size=60), st.randoms())
def test_order_of_molecules_does_not_matter(rows: list[tuple[int, float]], random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    before, after = (metrics([label for label, _ in part], [p for _, p in part]) for part in (rows, shuffled))
    assert before.reason == after.reason
    if not before.reason:
        assert before.average_precision == pytest.approx(after.average_precision, abs=1e-12)
        assert before.roc_auc == pytest.approx(after.roc_auc, abs=1e-12)
