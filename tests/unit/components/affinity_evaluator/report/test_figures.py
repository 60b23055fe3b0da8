"""A split group has one colour and mark in every figure, whichever slices there are."""

import re
from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from components.affinity_evaluator.bootstrap import Interval
from components.affinity_evaluator.gate import Gain
from components.affinity_evaluator.ladder import Rung
from components.affinity_evaluator.report import figures
from components.affinity_evaluator.report.gain_figure import gains
from components.affinity_evaluator.report.ladder_figure import ladder_figure
from components.affinity_evaluator.report.series import tone
from components.affinity_evaluator.slices import SliceMetrics, slice_metrics

RNG: Final = np.random.default_rng(5)
LABELS: Final = np.arange(40, dtype=np.int8) % 4 // 3
PROBABILITIES: Final = np.clip(LABELS * 0.4 + RNG.random(40) * 0.6, 0, 1).astype(np.float32)
SHARED, NON_SHARED = (slice_metrics("HSA", group, LABELS, PROBABILITIES) for group in ("shared", "non_shared"))
ABSENT: Final = replace(slice_metrics("HSA", "shared", LABELS[:0], PROBABILITIES[:0]), split_group="shared")
COLOUR: Final = {"shared": "var(--blue", "non-shared": "var(--orange"}


def drawn(kind: str, slices: list[SliceMetrics]) -> str:
    existing = [part for part in slices if not part.reason]
    if kind == "precision_recall":
        curves = {part.split_group: (LABELS, PROBABILITIES) for part in existing}
        return figures.precision_recall({"HSA": curves}, {part.name: part for part in existing})
    if kind == "gains":
        return gains({"other": [Gain(part.name, 0.1, Interval(0.0, 0.2)) for part in existing]}, 0.95)
    if kind == "ladder":
        names = {"shared": "none_new", "non_shared": "one_new"}
        rungs = [Rung("new_blocks", names[part.split_group], "HSA", 9, 3, 0.5, 0.6) for part in existing]
        return ladder_figure("new_blocks", rungs, ["HSA"])
    if kind == "average_precisions":
        return figures.average_precisions({"this model": slices}, ["HSA"], 0.95)
    return str(getattr(figures, kind)(slices, ["HSA"]))


@pytest.mark.parametrize(
    "kind", ["precision_recall", "enrichment", "average_precisions", "calibration", "gains", "ladder"]
)
def test_colours_stay_when_a_slice_is_missing(kind: str) -> None:
    both, one = drawn(kind, [SHARED, NON_SHARED]), drawn(kind, [ABSENT, NON_SHARED])
    for colour in COLOUR.values():
        assert colour in both
    assert COLOUR["shared"] not in one
    assert COLOUR["non-shared"] in one
    assert set(re.findall(r">((?:non-)?shared)</text>", both)) == {"shared", "non-shared"}
    assert set(re.findall(r">((?:non-)?shared)</text>", one)) == {"non-shared"}


def test_models_are_rows_and_proteins_are_panels() -> None:
    page = figures.average_precisions({"this model": [SHARED], "LightGBM": [NON_SHARED]}, ["HSA", "sEH"], 0.9)
    assert page.count("<svg") == 2
    assert page.count(">LightGBM</text>") == 2
    assert "<title>Average precision: sEH</title>" in page
    assert "average precision, 90% interval" in page


@pytest.mark.parametrize(
    ("value", "interval", "expected"),
    [
        (0.2, Interval(0.1, 0.3), "good"),
        (-0.2, Interval(-0.3, -0.1), "bad"),
        (0.2, Interval(-0.1, 0.3), ""),
        (-0.2, None, ""),
    ],
)
def test_only_a_gain_whose_interval_holds_no_zero_has_a_colour(
    value: float, interval: Interval | None, expected: str
) -> None:
    assert tone(Gain("mean", value, interval)) == expected
