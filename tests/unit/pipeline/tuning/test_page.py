import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.tuning.outcome import Outcome, Paired, TrialRow, shown_spread
from pipeline.tuning.page import write_page


def _outcome(chosen: int = 40, tuned: tuple[float, ...] = (0.31, 0.34, 0.29)) -> Outcome:
    rows = (
        TrialRow(0, "complete", 0.30, 5.0, {"ensemble.trees": 20}),
        TrialRow(1, "complete", 0.35, 5.0, {"ensemble.trees": 40}),
        TrialRow(2, "pruned", None, 1.0, {"ensemble.trees": 5}),
        TrialRow(3, "fail", None, None, {"ensemble.trees": 9}, "<b>There is not enough memory.</b>"),
    )
    return Outcome(
        metric="mean-AP",
        choose=(1, 2),
        rows=rows,
        importance={"ensemble.trees": 1.0},
        chosen=rows[chosen == 40],
        untuned={"ensemble.trees": 20},
        reported=Paired((11, 12, 13), tuned, (0.30, 0.30, 0.30)),
        cells={"BRD4/shared": (0.31, 0.30)},
        transformer=False,
    )


def test_gains_are_paired_by_draw_with_their_spread() -> None:
    outcome = _outcome()
    assert outcome.reported.gains == pytest.approx((0.01, 0.04, -0.01))
    assert outcome.reported.ahead == 2
    assert shown_spread(outcome.reported.gains, "+") == "+0.0133 (sd 0.0252)"
    assert shown_spread([0.5]) == "0.5000"
    assert outcome.counted() == "2 complete, 1 stopped early, 1 failed"
    assert json.loads(json.dumps(outcome.as_dict()))["gain"]["ahead"] == 2


def test_the_page_needs_nothing_beside_it_and_tells_trials_choice_and_honest_score(tmp_path: Path) -> None:
    write_page(_outcome(), tmp_path / "tune.html")
    page = (tmp_path / "tune.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    for part in (
        "<b>+0.0133</b><span>sd 0.0252</span>",
        "ahead on 2 of 3",
        "11, 12, 13",
        "so too good",
        "stopped early",
    ):
        assert part in page, part
    assert "<li>trial 3 failed: &lt;b&gt;There is not enough memory" in page
    assert "<th>ensemble.<wbr>trees</th>" in page, "a column for each key, so that rows stay one line high"
    assert page.count("<svg") == 3
    assert "The gain is within what draws differ by (95% interval -0.0492 to +0.0758)" in page
    write_page(_outcome(), tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_the_page_says_where_the_untuned_configuration_was_the_best(tmp_path: Path) -> None:
    write_page(_outcome(chosen=20), tmp_path / "tune.html")
    assert "No trial was better" in (tmp_path / "tune.html").read_text(encoding="utf-8")


def test_a_gain_counts_where_it_is_larger_than_draws_differ_by() -> None:
    # Of (0.01, 0.04, -0.01): mean 0.01333, sd 0.02517, t(2) 4.303, so 0.01333 +- 4.303 * 0.02517 / sqrt(3).
    assert _outcome().reported.interval == pytest.approx((-0.0492, 0.0758), abs=1e-4)
    assert "keep the untuned configuration" in _outcome().advice
    assert _outcome(tuned=(0.33, 0.34, 0.33)).advice == "the tuned configuration is better on the draws that report"
    one = replace(_outcome(), reported=Paired((11,), (0.4,), (0.3,)))
    assert one.reported.interval is None
    assert "report on more draws" in one.advice


def test_a_choice_that_gains_nothing_on_other_draws_is_told_as_such() -> None:
    assert _outcome(tuned=(0.31, 0.27, 0.29)).advice == (
        "no gain on the draws that report: keep the untuned configuration"
    )
