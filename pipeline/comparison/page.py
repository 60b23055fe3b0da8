"""Write the page of a comparison of runs, which needs nothing beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from belka.files import atomic_path
from belka.pages.style import page_environment, page_style
from components.affinity_evaluator.bootstrap import Interval
from components.affinity_evaluator.report.cells import FILTERS
from components.affinity_evaluator.report.figures import average_precisions
from components.affinity_evaluator.report.gain_figure import gains
from pipeline.comparison.compare import Comparison, measured_on, score_rows
from pipeline.comparison.curves_figure import training_curves
from pipeline.comparison.finished_run import FinishedRun

_TEMPLATE: Final = "comparison.html.j2"
_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class BaselineGain:
    """What a run gained over a baseline on its own validation molecules.

    Attributes:
        baseline: Name of the baseline.
        values: Of each run: its gain on the mean with the interval; None where the run did not train it.
    """

    baseline: str
    values: tuple[tuple[float, Interval | None] | None, ...]


def write_comparison(comparison: Comparison, file: Path) -> None:
    """Write a comparison as a page, whole or not at all.

    Args:
        comparison: What was compared.
        file: The page.
    """
    runs = comparison.runs
    confidence = comparison.bootstrap.confidence
    slices = {run.name: measured.slices for run, measured in zip(runs, comparison.measured, strict=True)}
    gained = {f"{run.name} over {runs[0].name}": found for run, found in zip(runs[1:], comparison.gains, strict=True)}
    curves = {run.name: run.histories for run in runs}
    drawn = {
        "scores": average_precisions(slices, comparison.shared.targets, confidence),
        "gains": gains(gained, confidence),
        "training": training_curves(curves),
    }
    context: dict[str, Any] = {
        "style": page_style(),
        "comparison": comparison,
        "runs": runs,
        "rows": score_rows(comparison),
        "measured_on": measured_on(comparison),
        "baselines": list(baseline_gains(runs)),
        "own_intervals": [_interval(run.evaluation["mean_interval"]) for run in runs],
        # matplotlib makes the text from numbers, names of slices and of folders, which it escapes.
        "figures": {name: Markup(svg) for name, svg in drawn.items()},  # noqa: S704
    }
    with atomic_path(file) as temporary:
        page = page_environment(_FOLDER, FILTERS).get_template(_TEMPLATE).render(context)
        temporary.write_text(page, encoding="utf-8")


def baseline_gains(runs: tuple[FinishedRun, ...]) -> Iterator[BaselineGain]:
    """What each run gained over each baseline, as its own evaluation found it."""
    models = [(run.evaluation.get("baselines") or {}).get("models") or {} for run in runs]
    for baseline in dict.fromkeys(name for found in models for name in found):
        yield BaselineGain(baseline, tuple(_mean_gain(found.get(baseline)) for found in models))


def _mean_gain(baseline: dict[str, Any] | None) -> tuple[float, Interval | None] | None:
    for gain in baseline["gains"] if baseline else ():
        if gain["name"] == "mean":
            return gain["value"], _interval(gain["interval"])
    return None


def _interval(ends: dict[str, float] | None) -> Interval | None:
    return Interval(**ends) if ends else None
