"""Write the page of a tuning, which needs nothing beside it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from belka.code_version import code_version
from belka.files import atomic_path
from belka.pages.figures import NARROW, PALETTE, SOFT, draw
from belka.pages.style import page_environment, page_style
from pipeline.tuning.outcome import Outcome, spread

PAGE: Final = "tune.html"
_TEMPLATE: Final = "tune.html.j2"
_MOST_NAMED: Final = 10  # draws whose numbers stand below a chart
_TUNED, _UNTUNED = PALETTE[2], PALETTE[3]


def write_page(outcome: Outcome, file: Path) -> None:
    """Write the page, whole or not at all.

    Args:
        outcome: What the study came to.
        file: The page.
    """
    drawn = {"trials": _trials(outcome), "importance": _importance(outcome), "reported": _reported(outcome)}
    context: dict[str, Any] = {
        "style": page_style(),
        "outcome": outcome,
        "code": code_version(),
        "rows": sorted(outcome.rows, key=lambda row: -(row.score if row.score is not None else -1.0)),
        "failed": [row for row in outcome.rows if row.reason],
        "figures": {name: Markup(svg) for name, svg in drawn.items()},  # noqa: S704 - matplotlib makes it and escapes
    }
    filters: dict[str, Callable[..., Any]] = {
        "score": lambda value: "-" if value is None else f"{value:.4f}",
        "mean": lambda values, sign: f"{spread(values)[0]:{sign}.4f}",
        "sd": lambda values: f"{spread(values)[1]:.4f}",
        "plain": json.dumps,
        "short": _short,
        "breakable": lambda key: Markup(".<wbr>").join(key.split(".")),
    }
    page = page_environment(Path(__file__).parent, filters).get_template(_TEMPLATE).render(context)
    with atomic_path(file) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _short(value: Any) -> str:
    """A value in a table of many; tuned.yaml and tune.json have it whole."""
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def _trials(outcome: Outcome) -> str:
    """Score of each trial in their order, and the best so far."""
    scored = [(row.number, row.score) for row in outcome.rows if row.score is not None]

    def paint(axes: Sequence[Axes]) -> None:
        (panel,) = axes
        numbers, scores = zip(*scored, strict=True)
        panel.plot(numbers, scores, "o", color=_UNTUNED, ms=4, label="trial")
        panel.step(numbers, np.maximum.accumulate(scores), where="post", color=_TUNED, label="best so far")
        panel.set(xlabel="trial", ylabel=outcome.metric)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))

    return draw("trials", "Scores of the trials on the draws that choose", [""], paint, size=(NARROW, 2.8))


def _importance(outcome: Outcome) -> str:
    """How much of the scores' variance each key explains; nothing where it cannot be told."""
    names = list(outcome.importance)[::-1]
    if not names:
        return ""

    def paint(axes: Sequence[Axes]) -> None:
        (panel,) = axes
        panel.barh(names, [outcome.importance[name] for name in names], height=0.3, color=_TUNED)
        for place, name in enumerate(names):  # above its bar: beside it a long one would leave no room
            panel.text(0, place + 0.2, name, va="bottom")
        panel.set(xlabel="share of the variance of scores", xlim=(0, 1), ylim=(-0.4, len(names) - 0.2), yticks=[])

    return draw("importance", "Importance of each key", [""], paint, size=(NARROW, 0.9 + 0.4 * len(names)))


def _reported(outcome: Outcome) -> str:
    """Both configurations on each draw that reports."""
    reported = outcome.reported

    def paint(axes: Sequence[Axes]) -> None:
        (panel,) = axes
        places = range(len(reported.draws))
        panel.vlines(places, reported.untuned, reported.tuned, color=SOFT, lw=1)
        panel.plot(places, reported.untuned, "s", color=_UNTUNED, label="untuned")
        panel.plot(places, reported.tuned, "o", color=_TUNED, label="tuned")
        panel.set(xlabel="draw", ylabel=outcome.metric, xlim=(-0.5, len(places) - 0.5))
        named = places[:: 1 + len(places) // _MOST_NAMED]
        panel.set_xticks(list(named), [str(reported.draws[place]) for place in named])

    return draw("reported", "Scores on the draws that report", [""], paint, size=(NARROW, 2.8))
