"""What is told of a run: read from its output directory alone, so that a run can be told long after it ended."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from belka.contract import (
    HISTORY_FILE,
    METADATA_FILE,
    METRICS_FILE,
    MODEL_CARD_FILE,
    MODELS_FOLDER,
    REPORT_FILE,
    RESOLVED_CONFIG,
    Node,
)
from belka.errors import InputError
from belka.models.champion import read_champion
from belka.places.names import place_of
from belka.provenance import check_whole, folder_digest
from belka.state_files import read_or_set_aside
from pipeline.config.flat import flat, flat_settings
from pipeline.config.settings import Config
from pipeline.runners.outcomes import NodeOutcome, read_outcomes
from pipeline.runners.publish import output_file
from pipeline.steps import trainer_node
from trainer_module.settings import Mode

_STEP: Final = "step"  # of a row of history.json: the batches trained until then
_EVALUATION: Final = "evaluation"


@dataclass(frozen=True)
class Metric:
    """A number.

    Attributes:
        name: Its name, with slashes between its parts.
        value: Finite, or NaN.
        step: Batches trained until then; 0 where there is but one value.
    """

    name: str
    value: float
    step: int = 0


@dataclass(frozen=True)
class RunRecord:
    """What is told of a run, or of one of its stages.

    Attributes:
        name: What a reader sees.
        digest: Names the content: a run that is told twice is there once.
        params: Settings, as text.
        metrics: Numbers.
        tags: Further texts.
        files: Pages and tables.
        stages: Likewise of each training stage.
        model: Folder of the model that was pushed; None where none was.
    """

    name: str
    digest: str
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    stages: tuple["RunRecord", ...] = ()
    model: Path | None = None


def read_run(config: Config) -> RunRecord:
    """Read what is told of the last run in an output directory.

    Args:
        config: The configuration that it ran with.
    """
    output = config.output_dir
    outcomes = read_outcomes(output / METADATA_FILE, config.pipeline_name)
    metrics = read_or_set_aside(output / METRICS_FILE)
    stages = tuple(
        _stage(mode, config, outcomes[node])
        for mode in config.training.stages
        if (node := trainer_node(mode)) in outcomes
    )
    evaluation = metrics.get(_EVALUATION) or {}
    try:
        figures = (*_evaluated(evaluation), *_costs(metrics.get("steps") or {}))
        tags, model = _tags(evaluation, output), _pushed(evaluation, output / MODELS_FOLDER)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            "The figures of the run cannot be read.",
            received=f"{output / METRICS_FILE}: {error!r}",
            expected="the file as `belka run` wrote it",
            action="Run the same `belka run` again: it takes all from the cache and writes the file anew.",
        ) from error
    card = output_file(outcomes, Node.AFFINITY_EVALUATOR, _EVALUATION, MODEL_CARD_FILE)
    files = (output / REPORT_FILE, output / METRICS_FILE, output / RESOLVED_CONFIG, *([card] if card else []))
    return RunRecord(
        name=run_name(config),
        digest=_digest(outcomes),
        params=flat_settings(config),
        metrics=figures,
        tags=tags,
        files=tuple(file for file in files if file.is_file()),
        stages=stages,
        model=model,
    )


def run_name(config: Config) -> str:
    """What a reader sees of the last run in an output directory."""
    return f"{config.pipeline_name} {Path(place_of(config.output_dir)).name}"


def curves(history: Sequence[Mapping[str, object]]) -> tuple[Metric, ...]:
    """Every number of a stage's history.

    Args:
        history: A mapping for each validation, as in history.json.
    """
    return tuple(
        Metric(name, float(value), int(str(row[_STEP])))
        for row in history
        for name, value in row.items()
        if name != _STEP and isinstance(value, int | float)
    )


def _stage(mode: Mode, config: Config, outcome: NodeOutcome) -> RunRecord:
    folder = outcome.outputs["model_run"]
    file = folder / HISTORY_FILE
    if file.is_file():
        check_whole(folder, [file.name])
    history = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    values = config.training.for_mode(mode).model_dump(mode="json")
    return RunRecord(
        name=mode,
        digest=folder_digest(outcome.outputs["model"]),
        params=dict(flat(values)),
        metrics=curves(history),
        files=tuple(sorted(folder.glob("history.*"))),
    )


def _evaluated(evaluation: Mapping[str, Any]) -> Iterator[Metric]:
    """The scores by slice, with intervals, and the gains over each baseline."""
    yield from _scores(_EVALUATION, evaluation, ("mean_average_precision", "mean_interval", "molecules"))
    for part in evaluation.get("slices", ()):
        place = f"{_EVALUATION}/{part['target']}/{part['split_group']}"
        yield from _scores(place, part, ("average_precision", "roc_auc", "brier", "prevalence", "n", "positives"))
        yield from _scores(place, part.get("intervals") or {}, ("average_precision",))
    for baseline, compared in ((evaluation.get("baselines") or {}).get("models") or {}).items():
        place = f"{_EVALUATION}/gain_over_{baseline}"
        for gain in compared["gains"]:
            yield from _scores(f"{place}/{gain['name']}", gain, ("value", "interval"))


def _scores(place: str, values: Mapping[str, Any], names: Sequence[str]) -> Iterator[Metric]:
    for name in names:
        value = values.get(name)
        if isinstance(value, Mapping):
            yield from _scores(f"{place}/{name}", value, ("low", "high"))
        elif value is not None:
            yield Metric(f"{place}/{name}", float(value))


def _costs(steps: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    for node, step in steps.items():
        for name in ("seconds", "peak_mb"):
            if isinstance(step.get(name), int | float):
                yield Metric(f"steps/{node}/{name}", float(step[name]))


def _tags(evaluation: Mapping[str, Any], output: Path) -> dict[str, str]:
    verdict = evaluation.get("verdict") or {}
    tags = {"belka.output_dir": place_of(output)}
    if verdict:
        tags["belka.gate"] = "passed" if verdict["blessed"] else "not passed"
        tags["belka.gate.reasons"] = "\n".join(verdict["reasons"])
    return tags


def _pushed(evaluation: Mapping[str, Any], models: Path) -> Path | None:
    """The model in production, where it is this run's."""
    champion = read_champion(models)
    is_ours = champion is not None and champion.digest == evaluation.get("digest")
    return models / champion.version if champion is not None and is_ours else None


def _digest(outcomes: Mapping[str, NodeOutcome]) -> str:
    """Of all outputs; those of the cache are the same run's."""
    found = sorted(
        (node, name, folder_digest(folder))
        for node, outcome in outcomes.items()
        for name, folder in outcome.outputs.items()
        if folder.is_dir()
    )
    return hashlib.sha256(json.dumps(found).encode()).hexdigest()
