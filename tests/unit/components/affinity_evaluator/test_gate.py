"""The verdict: floors, and the comparison with the model in production."""

from dataclasses import replace

import numpy as np
import pytest

from belka.errors import InputError
from components.affinity_evaluator.bootstrap import Interval
from components.affinity_evaluator.gate import (
    MEAN,
    TIE,
    BaselineComparison,
    BaselineComparisons,
    ChampionComparison,
    Gain,
    Verdict,
    judge,
)
from components.affinity_evaluator.measurement import Measurement
from components.affinity_evaluator.settings import EvaluationSettings, GateSettings
from components.affinity_evaluator.slices import SliceMetrics, mean_average_precision, slice_metrics

ABSENT = slice_metrics("sEH", "non_shared", np.zeros(2, np.int8), np.zeros(2, np.float32))


def part(target: str, value: float) -> SliceMetrics:
    return SliceMetrics(target, "shared", 100, 10, 0.1, value, 0.9, "")


def model(*values: float, absent: bool = False) -> Measurement:
    slices = [part(target, value) for target, value in zip(("BRD4", "HSA"), values, strict=False)]
    slices += [ABSENT] if absent else []
    return Measurement(100, 0, mean_average_precision(slices), None, tuple(slices))


def champion(*values: float, problem: str = "", same_model: bool = False) -> ChampionComparison:
    measured = model(*values)
    return ChampionComparison(
        "17",
        "abc",
        same_model,
        problem,
        "serving_default",
        molecules=100,
        mean_average_precision=measured.mean_average_precision,
        slices=measured.slices,
    )


def compared(judged: Measurement, champion: ChampionComparison, settings: GateSettings) -> Verdict:
    """The verdict where both were measured on all molecules."""
    both = replace(champion, judged_mean=judged.mean_average_precision, judged_slices=judged.slices)
    return judge(judged, both, settings)


@pytest.mark.parametrize(
    ("mean", "floor", "blessed"), [(0.5, 0.4, True), (0.4, 0.4, True), (0.39, 0.4, False), (0.0, 0.0, True)]
)
def test_floor_of_the_mean(mean: float, floor: float, blessed: bool) -> None:
    verdict = judge(model(mean), None, GateSettings(min_mean_average_precision=floor))
    assert verdict.blessed is blessed
    assert bool(verdict.reasons) is not blessed
    if not blessed:
        assert verdict.reasons == (
            "The mean average precision 0.3900 is below the floor min_mean_average_precision 0.4.",
        )


def test_unusable_predictions_are_never_blessed() -> None:
    measured = Measurement(9, 3, 0.9, None, ())
    assert judge(measured, None, GateSettings()) == Verdict(
        blessed=False, reasons=("3 predictions are not finite numbers from 0 to 1.",)
    )


def test_what_cannot_be_measured_is_not_blessed_even_without_a_floor() -> None:
    verdict = judge(model(absent=True), None, GateSettings())
    assert verdict == Verdict(blessed=False, reasons=("The model could not be measured: sEH non_shared: no positive.",))


@pytest.mark.parametrize(("floor", "blessed"), [(0.3, True), (0.31, False)])
def test_floor_of_a_slice(floor: float, blessed: bool) -> None:
    verdict = judge(model(0.9, 0.3), None, GateSettings(slice_floors={"HSA/shared": floor}))
    assert verdict.blessed is blessed
    if not blessed:
        assert verdict.reasons == ("The average precision 0.3000 of HSA/shared is below its floor 0.31.",)


def test_floor_of_a_slice_that_could_not_be_measured_fails() -> None:
    verdict = judge(model(0.9, absent=True), None, GateSettings(slice_floors={"sEH/non_shared": 0.1}))
    assert verdict.reasons == ("sEH/non_shared has the floor 0.1 but could not be measured: no positive.",)


def test_floor_of_an_unknown_slice_is_an_error() -> None:
    with pytest.raises(InputError, match=r"HSA/shard(.|\n)*BRD4/shared, HSA/shared"):
        judge(model(0.9, 0.3), None, GateSettings(slice_floors={"HSA/shard": 0.1}))


def test_win() -> None:
    assert compared(model(0.6, 0.6), champion(0.5, 0.5), GateSettings()) == Verdict(blessed=True, reasons=())


def test_lose() -> None:
    verdict = compared(model(0.5, 0.5), champion(0.6, 0.52), GateSettings(max_slice_regression=0.05))
    assert verdict.reasons == (
        "The mean average precision 0.5000 is below the 0.5600 of the model in production, version 17.",
        (
            "BRD4/shared loses 0.1000 average precision (0.6000 to 0.5000) against the model in production; "
            "max_slice_regression allows 0.05."
        ),
    )


def test_better_on_the_mean_but_worse_on_one_slice() -> None:
    settings = GateSettings(max_slice_regression=0.05)
    verdict = compared(model(0.9, 0.44), champion(0.5, 0.5), settings)
    assert not verdict.blessed
    assert len(verdict.reasons) == 1
    assert "HSA/shared loses 0.0600" in verdict.reasons[0]
    assert compared(model(0.9, 0.46), champion(0.5, 0.5), settings).blessed


def test_not_worse_on_any_slice_but_not_better_on_the_mean() -> None:
    assert not compared(model(0.49, 0.5), champion(0.5, 0.5), GateSettings(max_slice_regression=0.05)).blessed


def test_tie_keeps_the_champion() -> None:
    verdict = compared(model(0.5, 0.5), champion(0.5, 0.5), GateSettings())
    assert verdict.reasons == (
        "It ties with the model in production, version 17, which stays: both have the mean average precision 0.5000.",
    )


@pytest.mark.parametrize(("gain", "blessed"), [(-2 * TIE, False), (TIE / 2, False), (2 * TIE, True)])
def test_only_rounding_is_a_tie(gain: float, blessed: bool) -> None:
    verdict = compared(model(0.5 + gain), champion(0.5), GateSettings(max_slice_regression=0.1))
    assert verdict.blessed is blessed
    assert any("It ties" in reason for reason in verdict.reasons) is (abs(gain) < TIE)


def test_a_slice_may_lose_what_is_allowed() -> None:
    assert compared(model(0.9, 0.25), champion(0.5, 0.5), GateSettings(max_slice_regression=0.25)).blessed
    assert not compared(model(0.9, 0.2499), champion(0.5, 0.5), GateSettings(max_slice_regression=0.25)).blessed


def test_a_slice_that_one_of_both_lacks_loses_nothing() -> None:
    for judged, before in ((model(0.9), champion(0.5, 0.5)), (model(0.9, 0.2), champion(0.5))):
        assert compared(judged, before, GateSettings()).blessed


def test_the_champion_itself_stays_blessed_and_still_faces_the_floors() -> None:
    itself = champion(0.5, 0.5, same_model=True)
    assert judge(model(0.5, 0.5), itself, GateSettings()).blessed
    assert not judge(model(0.5, 0.5), itself, GateSettings(min_mean_average_precision=0.6)).blessed


def test_champion_that_cannot_be_compared_lets_nothing_through() -> None:
    verdict = judge(model(1.0, 1.0), ChampionComparison("17", "abc", problem="it is gone."), GateSettings())
    assert verdict.reasons == ("The model in production, version 17, cannot be compared: it is gone.",)


def test_a_comparison_without_a_slice_that_both_have_lets_nothing_through() -> None:
    verdict = judge(model(1.0, 1.0), replace(champion(0.5), judged_mean=None, molecules=700), GateSettings())
    assert not verdict.blessed
    assert "none of the slices of 700 molecules can be measured" in verdict.reasons[0]


def test_the_way_out_leaves_the_floors_alone() -> None:
    settings = GateSettings(replace_champion=True, min_mean_average_precision=0.4)
    assert compared(model(0.5, 0.5), champion(0.9, 0.9), settings).blessed
    assert judge(model(0.5, 0.5), ChampionComparison("17", "abc", problem="it is gone."), settings).blessed
    assert not compared(model(0.3, 0.3), champion(0.9, 0.9), settings).blessed


def baselines(judged: Measurement, **means: float) -> BaselineComparisons:
    mean = judged.mean_average_precision
    assert mean is not None
    models = {
        name: BaselineComparison(f"a {name}", value, None, (), (Gain(MEAN, mean - value, Interval(-0.1, 0.02)),))
        for name, value in means.items()
    }
    return BaselineComparisons(90, 100, models)


@pytest.mark.parametrize(
    ("logistic", "blessed"), [(0.4, True), (0.5, False), (0.5 - TIE, False), (0.5 - 2 * TIE, True), (0.6, False)]
)
def test_a_baseline_has_to_be_beaten_and_a_tie_does_not(logistic: float, blessed: bool) -> None:
    judged = model(0.5, 0.5)
    settings = GateSettings(must_beat=("logistic",))
    verdict = judge(judged, None, settings, baselines(judged, logistic=logistic, lightgbm=0.9))
    assert verdict.blessed is blessed
    if not blessed:
        assert len(verdict.reasons) == 1
        assert f"0.5000 does not exceed the {logistic:.4f} of the baseline logistic, a logistic" in verdict.reasons[0]
        assert f"a gain of {0.5 - logistic:+.4f}, -0.1000 to +0.0200. To try:" in verdict.reasons[0]
    assert judge(judged, None, GateSettings(), baselines(judged, logistic=logistic)).blessed


def test_a_baseline_that_was_not_trained_lets_nothing_through() -> None:
    unmeasured = BaselineComparisons(9, 9, {"logistic": BaselineComparison("a logistic", None, None, (), ())})
    for found in (None, BaselineComparisons(0, 0), baselines(model(0.5), blocks=0.1), unmeasured):
        verdict = judge(model(0.5), None, GateSettings(must_beat=("logistic",)), found)
        assert verdict.reasons == ("evaluation.must_beat names the baseline logistic, which could not be measured.",)


def test_a_baseline_without_an_interval_and_one_that_comes_first() -> None:
    found = BaselineComparisons(
        9,
        9,
        {"logistic": BaselineComparison("l", 0.6, None, (), (Gain("HSA/shared", 1.0, None), Gain(MEAN, -0.1, None)))},
    )
    (reason,) = judge(model(0.5), None, GateSettings(must_beat=("logistic",)), found).reasons
    assert "a gain of -0.1000. To try:" in reason


def test_baselines_are_not_asked_of_a_model_that_was_not_measured() -> None:
    (reason,) = judge(model(absent=True), None, GateSettings(must_beat=("logistic",))).reasons
    assert "could not be measured: sEH" in reason


def test_baselines_count_for_the_champion_itself_too() -> None:
    judged = model(0.5, 0.5)
    settings = GateSettings(must_beat=("logistic",), replace_champion=True)
    found = baselines(judged, logistic=0.6)
    assert not judge(judged, champion(0.5, 0.5, same_model=True), settings, found).blessed


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"must_beat": ["logstic"]}, r"must_beat(.|\n)*'blocks', 'logistic' or 'lightgbm'"),
        ({"must_beat": ["logistic"], "baseline_molecules": 0}, "baseline_molecules = 0 trains none"),
    ],
)
def test_baselines_that_cannot_be_are_refused_by_the_configuration(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        EvaluationSettings.parse(values, source="evaluation", action="Correct it.")
