"""Draws by number, and what is measured on one: average precision by protein and split group."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belka.contract import SplitGroup
from belka.errors import InputError
from belka.texts import did_you_mean
from components.ensemble.blend import mean_precision

MEAN: Final = "mean-AP"
_SHOWN: Final = 200  # characters


def cell_precisions(
    scores: NDArray[np.float32], binds: NDArray[np.int8], groups: NDArray[np.int8], targets: Sequence[str]
) -> dict[str, float]:
    """Average precision by `target/group` of scores, float32 [n, n_targets]."""
    return {
        f"{target}/{group.label}": mean_precision(
            scores[groups == group][:, [place]], binds[groups == group][:, [place]], groups[groups == group]
        )
        for place, target in enumerate(targets)
        for group in SplitGroup
    }


def parse_draws(text: str) -> list[int]:
    """The numbers of draws in text such as `11-20` or `1,2,4-8`.

    Raises:
        InputError: The text is another.
    """
    parts = [re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", part.strip()) for part in text.split(",")]
    ranges = [range(int(part[1]), int(part[2] or part[1]) + 1) for part in parts if part]
    if not all(parts) or not any(ranges):
        raise InputError(
            "The draws are not understood.",
            received=repr(text),
            expected="numbers and ranges with commas between them, such as 11-20 or 1,2,4-8",
            action="Draws 1 to 10 are for choosing, 11 to 20 for what is reported.",
        )
    numbers: dict[int, None] = {}
    for number in itertools.chain.from_iterable(ranges):
        if number in numbers:
            raise InputError(
                "A draw is named twice: it would count as two, and the spread over draws would be too small.",
                received=f"draw {number}, in {text[:_SHOWN]!r}",
                expected="each draw once",
                action="Take it out.",
            )
        numbers[number] = None
    return [*numbers]


def check_apart(choose: Sequence[int], report: Sequence[int]) -> None:
    """Refuse draws that would both choose and report.

    Raises:
        InputError: Some are the same.
    """
    if both := sorted({*choose} & {*report}):
        raise InputError(
            "Draws that choose cannot report: what is chosen on a draw looks better on it than it is.",
            received=f"{', '.join(map(str, both))} in --draws-choose and in --draws-report",
            expected="no draw in both",
            action="Name other draws in one of them, such as --draws-choose 1-3 --draws-report 11-15.",
        )


def metric_names(targets: Sequence[str]) -> list[str]:
    """What can be tuned for: the mean of all cells, that of a split group, one cell."""
    groups = [group.label for group in SplitGroup]
    return [
        MEAN,
        *(f"{MEAN}/{group}" for group in groups),
        *(f"{target}/{group}" for target in targets for group in groups),
    ]


def check_metric(metric: str, targets: Sequence[str]) -> None:
    """Refuse a metric that draws do not have.

    Raises:
        InputError: With the metrics that there are.
    """
    names = metric_names(targets)
    if metric not in names:
        raise InputError(
            "The metric is not known.",
            received=metric,
            expected=f"one of {', '.join(names)}",
            action=f"Correct --metric; {did_you_mean(metric, names) or f'{MEAN} is the default.'}",
        )


def score_of(cells: Mapping[str, float], metric: str) -> float:
    """One number of a draw; NaN where no cell of the metric has molecules with both labels.

    Args:
        cells: From `cell_precisions`.
        metric: One of `metric_names`.
    """
    group = metric.removeprefix(MEAN)
    found = [
        value for name, value in cells.items() if name == metric or (metric.startswith(MEAN) and name.endswith(group))
    ]
    known = [value for value in found if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
