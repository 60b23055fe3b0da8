import numpy as np
import pytest

from belka.errors import InputError
from pipeline.tuning.draws import check_apart, check_metric, parse_draws, score_of

CELLS = {"BRD4/shared": 0.8, "BRD4/non_shared": 0.2, "HSA/shared": 0.6, "HSA/non_shared": float("nan")}


@pytest.mark.parametrize(
    ("text", "draws"), [("3", [3]), ("11-13", [11, 12, 13]), ("1, 2,4-6", [1, 2, 4, 5, 6]), ("7-7", [7])]
)
def test_numbers_and_ranges_of_draws_are_read(text: str, draws: list[int]) -> None:
    assert parse_draws(text) == draws


@pytest.mark.parametrize("text", ["", "1-", "5-2", "a", "1;2", "-3", "1,,2"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"draws are not understood[\s\S]*such as 11-20"):
        parse_draws(text)


@pytest.mark.parametrize("text", ["11,11", "1-3,2", ",".join(["0-999999"] * 1000)])
def test_a_draw_that_is_named_twice_does_not_count_as_two(text: str) -> None:
    with pytest.raises(InputError, match="named twice"):
        parse_draws(text)


def test_a_draw_that_chooses_does_not_report() -> None:
    check_apart([1, 2], [3])
    with pytest.raises(InputError, match=r"cannot report[\s\S]*2, 3 in --draws-choose"):
        check_apart([1, 2, 3], [3, 2, 9])


@pytest.mark.parametrize(
    ("metric", "score"),
    [("mean-AP", 1.6 / 3), ("mean-AP/shared", 0.7), ("mean-AP/non_shared", 0.2), ("BRD4/shared", 0.8)],
)
def test_a_metric_is_the_mean_of_its_cells_that_have_both_labels(metric: str, score: float) -> None:
    check_metric(metric, ["BRD4", "HSA"])
    assert score_of(CELLS, metric) == pytest.approx(score)


def test_a_metric_without_any_score_is_not_a_number() -> None:
    assert np.isnan(score_of(CELLS, "HSA/non_shared"))


def test_an_unknown_metric_is_told_with_what_was_meant() -> None:
    with pytest.raises(InputError, match=r"BRD/shared[\s\S]*Did you mean BRD4/shared"):
        check_metric("BRD/shared", ["BRD4", "HSA"])
