"""Write report.html, one page that needs nothing beside it, and model_card.md from an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from belka.chemistry.fingerprints import FingerprintSettings
from belka.code_version import code_version
from belka.contract import (
    HISTORY_FILE,
    MODEL_CARD_FILE,
    PREDICTIONS_FILE,
    REPORT_FILE,
    SERVING_FOLDER,
    SUMMARY_FILE,
    SplitGroup,
    Subset,
)
from belka.files import atomic_path
from belka.models.description import ModelDescription, read_description
from belka.pages.style import page_environment, page_style
from belka.places.names import place_of
from belka.provenance import Provenance, read_provenance
from belka.state_files import read_state, read_state_list
from belka.texts import for_markdown
from components.affinity_evaluator.evaluate import Evaluation
from components.affinity_evaluator.gate import MEAN, BaselineComparison, Gain
from components.affinity_evaluator.ladder import LADDERS, Rung
from components.affinity_evaluator.predictions import Predictions, read_predictions
from components.affinity_evaluator.report import figures
from components.affinity_evaluator.report.card_header import card_header
from components.affinity_evaluator.report.cells import FILTERS, minute
from components.affinity_evaluator.report.explained import ExplainedBest
from components.affinity_evaluator.report.gain_figure import gains
from components.affinity_evaluator.report.ladder_figure import NAMES, TITLES, ladder_figure
from components.affinity_evaluator.report.reliability_figure import reliability
from components.affinity_evaluator.report.series import readable
from components.affinity_evaluator.report.structures import driving_blocks, wrong_molecules
from components.affinity_evaluator.report.training_figure import training_curves
from components.affinity_evaluator.settings import ReleaseSettings
from components.affinity_evaluator.slices import SliceMetrics
from components.affinity_evaluator.training_data import held_out_note, trained_on

_UNREADABLE: Final = {
    "problem": "What an earlier step left for the report cannot be read.",
    "expected": "the file as the step wrote it",
    "action": "Run the step that makes the folder again: belka step ... --no-resume.",
}
_LIBRARIES: Final = (
    "belka",
    "tfx",
    "tensorflow",
    "keras",
    "rdkit",
    "scikit-fingerprints",
    "scikit-learn",
    "apache-beam",
)
_TITLES: Final = {"blocks": "building blocks alone", "logistic": "logistic regression", "lightgbm": "LightGBM"}
_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class ReportSources:
    """What a report is made from, beside the evaluation.

    Attributes:
        model_dir: Folder written by the Trainer: its provenance tells how the model was made, whatever the command that
            evaluates it says.
        molecules_dir: Folder written by ParquetMerge.
        model_runs: Stage -> folder with the trainer's history.json.
        explained: What the highest predictions come from; the page says nothing of it where there are none.
    """

    model_dir: Path
    molecules_dir: Path
    model_runs: Mapping[str, Path]
    explained: ExplainedBest = field(default_factory=ExplainedBest)


def write_report(
    evaluation: Evaluation,
    evaluation_dir: Path,
    sources: ReportSources,
    targets: Sequence[str],
    release: ReleaseSettings = ReleaseSettings(),  # noqa: B008 - immutable
) -> None:
    """Write report.html and model_card.md beside evaluation.json.

    Args:
        evaluation: What was measured.
        evaluation_dir: Holds predictions.parquet, receives the two files.
        sources: Everything else the page tells.
        targets: Target names.
        release: What whoever publishes the model says of it.
    """
    predictions = read_predictions(evaluation_dir / PREDICTIONS_FILE, len(targets))
    data = _summary(sources.molecules_dir / SUMMARY_FILE)
    # Validation molecules of the merge; those without Examples are not evaluated.
    held_out: dict[str, int] = data.get("molecules", {}).get(Subset.VALIDATION.split, {})
    saved_model = sources.model_dir / SERVING_FOLDER
    description = read_description(saved_model) or ModelDescription()
    provenance = read_provenance(sources.model_dir)
    context: dict[str, Any] = {
        "style": page_style(),
        "evaluation": evaluation,
        "targets": targets,
        "made": _made(provenance),
        "thin": _thin(evaluation.slices),
        "data": data,
        "unread": max(0, sum(held_out.values()) - evaluation.molecules),
        "model": description.model,
        "members": description.members,
        "blend": description.blend,
        "fingerprint": description.ecfp or FingerprintSettings(),
        "versions": {name: version(name) for name in _LIBRARIES},
        "baselines": _baselines(evaluation),
        "resampled": _resampled(evaluation),
        "measured": [(part.name, part.average_precision) for part in evaluation.slices if not part.reason],
        "best_baseline": _best_baseline(evaluation),
        "configuration": _settings(provenance),
        "trained_on": trained_on(provenance),
        "held_out": held_out_note(provenance),
        "lineage": _lineage(sources, evaluation, provenance, description.code or "not named"),
        "compared": _compared(evaluation),
        "wrong": wrong_molecules(predictions, sources.molecules_dir, targets),
        "blocks": driving_blocks(predictions, sources.molecules_dir, targets),
        "figures": _figures(evaluation, predictions, sources, targets),
        "ladders": _ladders(evaluation),
        "ladder_titles": TITLES,
        "rung_names": NAMES,
        "release": release,
        "explained": sources.explained,
    }
    environment = page_environment(_FOLDER, FILTERS)
    plain = environment.overlay(autoescape=False, finalize=for_markdown)
    header = card_header(evaluation, release)
    for name, template, before in ((REPORT_FILE, environment, ""), (MODEL_CARD_FILE, plain, header)):
        with atomic_path(evaluation_dir / name) as temporary:
            temporary.write_text(before + template.get_template(f"{name}.j2").render(context), encoding="utf-8")


def _made(provenance: Provenance | None) -> str:
    """When the model was trained, and the code that evaluated it."""
    trained = provenance.finished if provenance else ""
    code = f"belka {code_version()}"
    return f"Model trained {minute(trained)} · {code}" if trained else code


def _thin(slices: Sequence[SliceMetrics]) -> list[str]:
    """Say of which slices a best-ranked share is one molecule, which alone decides the enrichment."""
    singles = [(part, [one.share for one in part.enrichment if one.molecules == 1]) for part in slices]
    return [
        f"{100 * max(shares):g}% of {readable(part.name)} is one molecule, which alone decides the enrichment."
        for part, shares in singles
        if shares
    ]


@dataclass(frozen=True)
class _Baseline:
    """A baseline under the name that readers see."""

    name: str
    title: str
    comparison: BaselineComparison

    def gain(self, name: str) -> Gain | None:
        """The gain over it on the slice `name`, or on the mean."""
        return next((gain for gain in self.comparison.gains if gain.name == name), None)

    def value(self, name: str) -> float | None:
        """Its average precision on the slice `name`, or the mean."""
        if name == MEAN:
            return self.comparison.mean_average_precision
        return next((part.average_precision for part in self.comparison.slices if part.name == name), None)


def _baselines(evaluation: Evaluation) -> list[_Baseline]:
    if evaluation.baselines is None:
        return []
    return [_Baseline(name, _TITLES.get(name, name), one) for name, one in evaluation.baselines.models.items()]


def _resampled(evaluation: Evaluation) -> str:
    """Say what the resamples behind the intervals draw."""
    unit = evaluation.units.get(SplitGroup.NON_SHARED.label)
    if unit is not None and unit.kind == "blocks":
        return (
            f"Intervals of molecules with new blocks resample those {unit.number:,} building blocks (a molecule counts "
            "as often as the product of how often its new blocks were drawn): they tell how sure the figures are for "
            "other new blocks; intervals of the others resample molecules."
        )
    return (
        "Intervals resample molecules: with few new blocks, or none that are known, they cannot tell what another draw "
        "of blocks would change, and are too narrow for that."
    )


def _best_baseline(evaluation: Evaluation) -> _Baseline | None:
    measured = [one for one in _baselines(evaluation) if one.value(MEAN) is not None]
    return max(measured, key=lambda one: one.value(MEAN) or 0.0, default=None)


def _ladders(evaluation: Evaluation) -> dict[str, dict[str, list[Rung]]]:
    """Ladder -> rung -> its metrics, a target each."""
    found: dict[str, dict[str, list[Rung]]] = {}
    for one in evaluation.ladders:
        found.setdefault(one.ladder, {}).setdefault(one.name, []).append(one)
    return found


@dataclass(frozen=True)
class _Compared:
    """One line of the comparison with the model in production."""

    name: str
    before: float | None
    now: float | None
    gain: Gain


def _compared(evaluation: Evaluation) -> list[_Compared]:
    if evaluation.champion is None:
        return []
    before, now = (
        {MEAN: mean, **{part.name: part.average_precision for part in slices}}
        for mean, slices in (
            (evaluation.champion.mean_average_precision, evaluation.champion.slices),
            (evaluation.champion.judged_mean, evaluation.champion.judged_slices),
        )
    )
    return [_Compared(gain.name, before[gain.name], now[gain.name], gain) for gain in evaluation.champion.gains]


def _figures(
    evaluation: Evaluation,
    predictions: Predictions,
    sources: ReportSources,
    targets: Sequence[str],
) -> dict[str, Markup]:
    baselines = {one.title: one.comparison for one in _baselines(evaluation)}
    models: dict[str, Sequence[SliceMetrics]] = {"this model": evaluation.slices}
    models |= {title: one.slices for title, one in baselines.items()}
    if evaluation.champion and evaluation.champion.slices and not evaluation.champion.same_model:
        models["in production"] = evaluation.champion.slices
    histories = {stage: _history(folder / HISTORY_FILE) for stage, folder in sources.model_runs.items()}
    confidence = evaluation.bootstrap.confidence
    drawn = {
        "average_precision": figures.average_precisions(models, targets, confidence),
        "precision_recall": precision_recall_figure(evaluation.slices, predictions, targets),
        "calibration": figures.calibration(evaluation.slices, targets),
        "enrichment": figures.enrichment(evaluation.slices, targets),
    }
    if any(one.after for one in evaluation.reliability):
        drawn["reliability"] = reliability(evaluation.reliability)
    for ladder, _ in LADDERS:
        if any(rung.ladder == ladder for rung in evaluation.ladders):
            drawn[ladder] = ladder_figure(ladder, evaluation.ladders, targets)
    gained = {f"over {title}": one.gains for title, one in baselines.items() if one.gains}
    if gained:
        drawn["gains"] = gains(gained, confidence)
    if any(histories.values()):
        drawn["training"] = training_curves({stage: rows for stage, rows in histories.items() if rows})
    # The text is made by matplotlib from numbers and slice names, which the configuration restricts to letters, digits
    # and _.-
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704


def precision_recall_figure(slices: Sequence[SliceMetrics], predictions: Predictions, targets: Sequence[str]) -> str:
    """Draw precision against recall of the slices that exist.

    Args:
        slices: Metrics of the model, with intervals.
        predictions: What they were measured on.
        targets: Target names.
    """
    curves: dict[str, dict[str, figures.Curve]] = {}
    for index, target in enumerate(targets):
        rows, labels, probabilities = predictions.of_target(index)
        groups = predictions.groups[rows]
        existing = {part.split_group for part in slices if part.target == target and not part.reason}
        curves[target] = {
            group.label: (labels[groups == group], probabilities[groups == group])
            for group in SplitGroup
            if group.label in existing
        }
    return figures.precision_recall(curves, {part.name: part for part in slices})


def _settings(provenance: Provenance | None) -> dict[str, dict[str, Any]]:
    """Step -> what decided its result, of all steps that led to the model."""
    return {record.step: record.settings for record in provenance.history} if provenance else {}


def _lineage(
    sources: ReportSources, evaluation: Evaluation, provenance: Provenance | None, trained_by: str
) -> list[tuple[str, str]]:
    """What the model was made from: name and value, in the order it was made."""
    history = provenance.history if provenance else ()
    origin = provenance.origin if provenance else None
    return [
        ("raw files", origin.inputs[0].uri if origin and origin.inputs else "not named"),
        *(
            ("their content, SHA-256", f"{name} {digest}")
            for name, digest in (origin.raw_files if origin else {}).items()
        ),
        *((f"{record.step}, {record.output}", f"{record.uri} (SHA-256 {record.digest})") for record in history),
        *((f"training, stage {stage}", place_of(folder)) for stage, folder in sources.model_runs.items()),
        ("SHA-256 of the model", evaluation.digest),
        ("code that trained it", trained_by),
        ("code that evaluated it", code_version()),
    ]


def _summary(path: Path) -> dict[str, Any]:
    return read_state(path, **_UNREADABLE) if path.is_file() else {}


def _history(path: Path) -> list[Any] | None:
    return read_state_list(path, **_UNREADABLE) if path.is_file() else None
