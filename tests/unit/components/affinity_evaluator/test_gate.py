import numpy as np
import pytest

from components.affinity_evaluator.gate import Verdict, judge
from components.affinity_evaluator.slices import slice_metrics

ABSENT = slice_metrics("sEH", "non_shared", np.zeros(2, np.int8), np.zeros(2, np.float32))


@pytest.mark.parametrize(
    ("mean", "floor", "blessed"), [(0.5, 0.4, True), (0.4, 0.4, True), (0.39, 0.4, False), (0.0, 0.0, True)]
)
def test_floor(mean: float, floor: float, blessed: bool) -> None:
    verdict = judge([], mean, unusable_predictions=0, min_mean_average_precision=floor)
    assert verdict.blessed is blessed
    assert bool(verdict.reasons) is not blessed
    if not blessed:
        assert verdict.reasons == (
            "The mean average precision 0.3900 is below the floor min_mean_average_precision 0.4.",
        )


def test_unusable_predictions_are_never_blessed() -> None:
    verdict = judge([], 0.9, unusable_predictions=3, min_mean_average_precision=0.0)
    assert verdict == Verdict(blessed=False, reasons=("3 predictions are not finite numbers from 0 to 1.",))


def test_what_cannot_be_measured_is_not_blessed_even_without_a_floor() -> None:
    verdict = judge([ABSENT], None, unusable_predictions=0, min_mean_average_precision=0.0)
    assert verdict == Verdict(blessed=False, reasons=("The model could not be measured: sEH non_shared: no positive.",))
