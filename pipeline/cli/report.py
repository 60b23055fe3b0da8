"""`belka report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from belka.errors import InputError
from belka.places.names import place_of
from pipeline.cli.cells import cell
from pipeline.cli.consoles import open_console
from pipeline.cli.options import build_config, used_config
from pipeline.cli.places import PATH, run_folder, written_file
from pipeline.comparison.names import run_names

if TYPE_CHECKING:
    from components.affinity_evaluator.bootstrap import Interval
    from pipeline.comparison.compare import Comparison

PAGE: Final = "comparison.html"
_FEWEST: Final = 2


def report(
    runs: Annotated[
        list[Path], typer.Argument(parser=run_folder, metavar="A B", help="Output directories of finished runs.")
    ],
    out: Annotated[Path, typer.Option("--out", parser=written_file, metavar=PATH, help="The page.")] = Path(PAGE),
) -> None:
    """Compare finished runs with the first of them: settings that differ, scores and gains, curves of training.

    All are measured on the molecules that all of them held out, with intervals of the gains from the same resamples.
    """
    if len(runs) < _FEWEST:
        raise InputError(
            "A comparison takes two runs or more.",
            received=str(runs[0]),
            expected="the output directories of two runs or more",
            action="Name another one. The report of a single run is report.html in its output directory.",
        )
    names = run_names(runs)
    from pipeline.comparison.finished_run import read_finished_run  # reads ML Metadata: too slow for --help

    configs = [build_config(used_config(folder), output_dir=folder) for folder in runs]
    found = [read_finished_run(name, config) for name, config in zip(names, configs, strict=True)]
    from pipeline.comparison.compare import compare_runs, measured_on  # measures and draws: slower still
    from pipeline.comparison.page import write_comparison

    comparison = compare_runs(found)
    console = open_console()
    console.print(_differences(comparison))
    console.print(_scores(comparison))
    console.print(cell(measured_on(comparison)), highlight=False)
    write_comparison(comparison, out)
    _say(console, place_of(out))


def _differences(comparison: "Comparison") -> Table:
    shown = Table("setting", box=None, pad_edge=False, title="settings that differ", title_justify="left")
    for run in comparison.runs:
        shown.add_column(cell(run.name), overflow="fold")
    for row in comparison.differences:
        shown.add_row(row.name, *("none" if value is None else cell(value) for value in row.values))
    if not comparison.differences:
        shown.add_row("none", *("" for _ in comparison.runs))
    return shown


def _scores(comparison: "Comparison") -> Table:
    from pipeline.comparison.compare import score_rows

    runs = comparison.runs
    shown = Table("average precision", box=None, pad_edge=False, title="scores", title_justify="left")
    for run in runs:
        shown.add_column(cell(run.name), justify="right")
    for run in runs[1:]:
        shown.add_column(cell(f"gain of {run.name}"), justify="right")
        shown.add_column("interval", justify="right")
    for row in score_rows(comparison):
        cells = ["-" if value is None else f"{value:.4f}" for value, _ in row.values]
        for gain in row.gains:
            cells += ["-", ""] if gain is None else [f"{gain.value:+.4f}", _ends(gain.interval)]
        shown.add_row(row.name, *cells)
    return shown


def _ends(interval: "Interval | None") -> str:
    return f"{interval.low:+.4f} to {interval.high:+.4f}" if interval else ""


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
