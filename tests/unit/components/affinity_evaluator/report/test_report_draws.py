"""Page and card tell what several draws of the training molecules give."""

from typing import Any

import numpy as np
import pytest

from components.affinity_evaluator.baselines.draws import DrawnComparisons, Spread
from components.affinity_evaluator.gate import Verdict
from components.affinity_evaluator.settings import BaselineName

MEMBERS = (0.91, 0.87)
OTHERS: dict[BaselineName, tuple[float, float]] = {
    "blocks": (0.5, 0.6),
    "logistic": (0.9, 0.88),
    "lightgbm": (0.8, 0.85),
}


@pytest.fixture(scope="module")
def written(new_bench: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    gains = {name: Spread.of(np.subtract(MEMBERS, values).tolist()) for name, values in OTHERS.items()}
    baselines = {name: Spread.of(values) for name, values in OTHERS.items()}
    drawn = DrawnComparisons(80, Spread.of(MEMBERS), baselines, gains)

    class DrawnBench(new_bench):
        def calibrated(self, *given: Any) -> Any:
            return (*super().calibrated(*given), drawn)

    bench = DrawnBench(tmp_path_factory.mktemp("report"))
    page, card = bench.report(Verdict(blessed=True, reasons=()), baselines=True)
    return page, card


def test_the_page_shows_every_draw_and_their_means(written: tuple[str, str]) -> None:
    section = written[0][written[0].index("luck of one split") : written[0].index("<h2>How well it ranks binders")]
    for value in ("0.9100", "0.8700", "0.9000", "0.8800", "+0.0100", "-0.0100", "<b>0.8900</b><small>0.0283</small>"):
        assert value in section, value
    assert "ahead on 1 of 2" in section
    assert "ahead on 2 of 2" in section


def test_the_card_tells_mean_and_gains(written: tuple[str, str]) -> None:
    assert "On 2 further draws of the training molecules" in written[1]
    assert "have 0.8900 (standard deviation 0.0283)" in written[1]
    assert "+0.0000 over logistic regression, ahead on 1 of 2" in written[1]
