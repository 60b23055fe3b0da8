"""What a comparison reads of a finished run: from its output directory, and the folders that its evaluation names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from belka.contract import EVALUATION_FILE, HISTORY_FILE, METADATA_FILE, PREDICTIONS_FILE, Node
from belka.errors import InputError
from belka.places.names import local_of
from belka.provenance import Provenance, read_provenance
from belka.state_files import read_state, read_state_list
from pipeline.config.flat import flat_settings
from pipeline.config.settings import Config
from pipeline.runners.outcomes import read_outcomes

_UNREADABLE: Final = {
    "problem": "What a run left for comparison cannot be read.",
    "expected": "the file as the step wrote it",
    "action": "Make it again: `belka step evaluate_model --no-resume` with this --output-dir.",
}
_RUN_SUFFIX: Final = "_run"  # of the inputs of the evaluation that hold a stage's history
# Where a run lies is no setting that a result depends on.
_PLACES: Final = frozenset(["data.output_dir"])


@dataclass(frozen=True)
class FinishedRun:
    """A run that was evaluated.

    Attributes:
        name: What readers see; no two runs of a comparison have the same.
        output_dir: Its output directory.
        config: What it ran with.
        evaluation: The content of evaluation.json.
        evaluated: When, in UTC; empty where that is not known.
        code: Version of the code that evaluated it.
        predictions: predictions.parquet of its validation molecules.
        molecules_dir: The molecules table they are rows of.
        molecules_digest: Names the content of that table.
        histories: Stage -> one mapping an epoch.
    """

    name: str
    output_dir: Path
    config: Config
    evaluation: Mapping[str, Any]
    evaluated: str
    code: str
    predictions: Path
    molecules_dir: Path
    molecules_digest: str
    histories: Mapping[str, Sequence[Mapping[str, float]]]

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets, in the order of the columns of its predictions."""
        return tuple(dict.fromkeys(part["target"] for part in self.evaluation["slices"]))

    def settings(self) -> dict[str, str]:
        """Name -> value as text of all that was set."""
        return {name: value for name, value in flat_settings(self.config).items() if name not in _PLACES}


def read_finished_run(name: str, config: Config) -> FinishedRun:
    """Read what the last evaluation in an output directory left.

    Args:
        name: What readers see.
        config: The configuration that the run was made with.

    Raises:
        InputError: No model was evaluated there, or what the evaluation read is gone.
    """
    output = config.output_dir
    outcome = read_outcomes(output / METADATA_FILE, config.pipeline_name).get(Node.AFFINITY_EVALUATOR)
    folder = outcome.outputs.get("evaluation") if outcome else None
    provenance = read_provenance(folder) if folder and folder.is_dir() else None
    if folder is None or provenance is None:
        raise InputError(
            "There is no evaluation to compare.",
            received=f"{output}, where the step evaluate_model has left none",
            expected="the output directory of a run that evaluated its model",
            action="Run `belka run`, or `belka step evaluate_model`, with this --output-dir.",
        )
    inputs = {each.name: each for each in provenance.inputs}
    molecules = inputs["molecules"]
    if not local_of(molecules.uri).is_dir():
        raise InputError(
            "The molecules that a run was evaluated on are gone.",
            received=f"{output}: there is no {molecules.uri}",
            expected="the pipeline root as the run left it, where it left it",
            action="Move it back, or run `belka run` again with this --output-dir.",
        )
    return FinishedRun(
        name=name,
        output_dir=output,
        config=config,
        evaluation=read_state(folder / EVALUATION_FILE, **_UNREADABLE),
        evaluated=provenance.finished,
        code=provenance.code_version,
        predictions=folder / PREDICTIONS_FILE,
        molecules_dir=local_of(molecules.uri),
        molecules_digest=molecules.digest,
        histories=_histories(provenance, config.training.stages),
    )


def _histories(provenance: Provenance, stages: Sequence[str]) -> dict[str, Sequence[Mapping[str, float]]]:
    folders = {each.name.removesuffix(_RUN_SUFFIX): local_of(each.uri) for each in provenance.inputs}
    files = {stage: folders[stage] / HISTORY_FILE for stage in stages if stage in folders}
    return {stage: read_state_list(file, **_UNREADABLE) for stage, file in files.items() if file.is_file()}
