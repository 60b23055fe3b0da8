"""What a run tells at its end: how good the model is, what became of the data, and where everything is."""

import shlex
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from belka.contract import ENRICHMENT_FILE, METRICS_FILE, MODELS_FOLDER, REPORT_FILE, RESOLVED_CONFIG, SUBMISSION_FILE
from belka.models.champion import read_champion
from belka.places.names import place_of
from pipeline.cli.cells import cell
from pipeline.cli.data_rows import data_rows
from pipeline.cli.session import LOGS
from pipeline.config.settings import Config
from pipeline.runners.leftovers import PIPELINE_ROOT

_RESULTS = (SUBMISSION_FILE, METRICS_FILE, REPORT_FILE, ENRICHMENT_FILE, MODELS_FOLDER, RESOLVED_CONFIG, LOGS)


def verdict_rows(evaluation: Mapping[str, Any], models_dir: Path) -> Iterator[tuple[str, str]]:
    """Tell how good the model is on validation, whether it may go into production, and which one is there.

    Args:
        evaluation: The content of evaluation.json; empty where nothing was evaluated.
        models_dir: Folder of the pushed versions.

    Yields:
        Name and value of each line.
    """
    score = evaluation.get("mean_average_precision")
    if score is not None:
        interval = evaluation.get("mean_interval")
        sure = f" ({interval['low']:.4f} to {interval['high']:.4f})" if interval else ""
        yield "average precision of the gate (mean)", f"{score:.4f}{sure}"
    for name, baseline in ((evaluation.get("baselines") or {}).get("models") or {}).items():
        if baseline["gains"]:
            mean, *slices = baseline["gains"]
            interval = mean["interval"]
            sure = f" ({interval['low']:+.4f} to {interval['high']:+.4f})" if interval else ""
            # Without a blank, so that folding never parts a slice from its gain.
            by_slice = ", ".join(f"{part['name']}={part['value']:+.4f}" for part in slices)
            their_own = f"{baseline['mean_average_precision']:.4f}"
            yield f"gain over baseline {name}", f"{mean['value']:+.4f}{sure}, on {their_own}; {by_slice}"
    yield from _draw_rows(evaluation.get("draws"))
    if not evaluation:
        return
    reasons = evaluation["verdict"]["reasons"]
    yield "gate", "not passed: this model is not pushed" if reasons else "passed"
    for reason in reasons:
        yield "", reason
    compared = evaluation.get("champion") or {}
    if compared.get("judged_slices") and not compared["same_model"]:
        slices = ", ".join(
            f"{part['target']}/{part['split_group']} {part['n']:,}" for part in compared["judged_slices"]
        )
        number = f"{compared['molecules']:,} of {evaluation['molecules']:,}"
        yield "compared on", f"{number} validation molecules, which neither model trained on ({slices})"
    champion = read_champion(models_dir)
    if champion is not None:
        whose = "this run's model" if champion.digest == evaluation.get("digest") else "another model than this run's"
        yield "in production", f"{place_of(models_dir / champion.version)}: {whose}"


def _draw_rows(draws: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Tell what the members reach over several draws of the training molecules, and what they gain."""
    if draws:
        count = len(draws["members"]["values"])
        yield f"members on {count} draws of training", _spread(draws["members"], "")
        for name, gain in draws["gains"].items():
            yield f"gain over {name} on draws", f"{_spread(gain, '+')}, ahead on {gain['above_zero']} of {count}"


def _spread(value: Mapping[str, Any], sign: str) -> str:
    sd = "" if value["sd"] is None else f" (sd {value['sd']:.4f})"
    return f"{value['mean']:{sign}.4f}{sd}"


def curves_row(output_dir: Path) -> Iterator[tuple[str, str]]:
    """Tell what to type to see the curves of training, where a stage was trained.

    Args:
        output_dir: The output directory.

    Yields:
        Name and value of the line, or nothing.
    """
    root = output_dir / PIPELINE_ROOT
    if any(root.glob("trainer-*/model_run/*/events.out.tfevents.*")):
        absent = "" if find_spec("tensorboard") else " (after pip install 'belka[tensorboard]')"
        yield "curves of training", f"tensorboard --logdir {shlex.quote(str(root))}{absent}"


def print_results(console: Console, config: Config, metrics: dict[str, Any]) -> None:
    """Print how good the model is on validation, what became of rows that were not used as given, and where all is."""
    output_dir = config.output_dir
    table = Table("result", box=None, pad_edge=False, title="results", title_justify="left")
    table.add_column("where or how much", overflow="fold")
    for name, value in verdict_rows(metrics.get("evaluation", {}), output_dir / MODELS_FOLDER):
        table.add_row(name, value)
    for name, value in data_rows(metrics, output_dir, rejected_prediction=config.data.rejected_prediction):
        table.add_row(cell(name), cell(value))
    if metrics.get("submission", {}).get("rows") == 0:
        table.add_row(SUBMISSION_FILE, "none: there is no raw test file")
    for name in _RESULTS:
        if (output_dir / name).exists():
            table.add_row(name, cell(place_of(output_dir / name)))
    for name, value in curves_row(output_dir):
        table.add_row(name, cell(value))
    console.print(table)
