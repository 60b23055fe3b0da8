"""Measure the model in production on the data of the new one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from belka.contract import (
    CHAMPION_FILE,
    CHAMPION_PREDICTIONS_FILE,
    SAVED_MODEL_FILE,
    SIGNATURE_EXAMPLES,
    SIGNATURE_SMILES,
)
from belka.errors import BelkaError
from belka.models.champion import Champion, model_digest, read_champion
from belka.models.description import ModelDescription, read_description
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.gate import MEAN, ChampionComparison, Gain
from components.affinity_evaluator.measurement import Measurement, mean_samples, measure_predictions
from components.affinity_evaluator.scoring import score_examples, score_molecules


@dataclass(frozen=True)
class ChampionSource:
    """Where the champion and the data it needs are.

    Attributes:
        models_dir: Folder of the pushed versions, with champion.json.
        molecules_dir: Folder written by ParquetMerge: the SMILES, for a champion that knows other token ids.
    """

    models_dir: Path
    molecules_dir: Path


def compare_with_champion(
    source: ChampionSource,
    model_dir: Path,
    candidate: Measurement,
    *,
    examples_files: Sequence[Path],
    candidate_file: Path,
    targets: Sequence[str],
    batch_size: int,
    bootstrap: BootstrapSettings,
) -> ChampionComparison | None:
    """Score and measure the champion on the molecules the candidate was measured on.

    The Examples hold the candidate's token ids and fingerprints. A champion that reads the same ones is scored on them;
    one of another vocabulary or another fingerprint would take them for something else, and is scored from the SMILES
    of the same molecules.

    Args:
        source: The champion.
        model_dir: SavedModel of the new model.
        candidate: Its metrics.
        examples_files: TFRecord files of the validation split.
        candidate_file: Its predictions.parquet; champion_predictions.parquet is written beside it.
        targets: Target names.
        batch_size: Molecules scored at a time.
        bootstrap: How intervals are computed.

    Returns:
        The comparison; None where no model was pushed yet. A champion that is gone or cannot be scored comes back with
        `problem`.

    Raises:
        InputError: champion.json is damaged.
    """
    champion = read_champion(source.models_dir)
    if champion is None:
        return None
    named = ChampionComparison(champion.version, champion.digest)
    if champion.digest == model_digest(model_dir):
        return _measured(replace(named, same_model=True), candidate)
    folder = source.models_dir / champion.version
    predictions_file = candidate_file.with_name(CHAMPION_PREDICTIONS_FILE)
    sizes = {"n_targets": len(targets), "batch_size": batch_size}
    try:
        description = read_description(folder) or ModelDescription()
        if problem := _unusable(champion, folder, description, targets):
            return replace(named, problem=problem)
        reads_examples = _reads_examples_of(description, read_description(model_dir) or ModelDescription())
        if reads_examples:
            score_examples(folder, examples_files, predictions_file, **sizes)
        else:
            score_molecules(folder, source.molecules_dir, candidate_file, predictions_file, **sizes)
    except BelkaError as error:
        return replace(named, problem=f"{error.problem} {error.received}. {error.action}")
    measured = measure_predictions(predictions_file, targets=targets, bootstrap=bootstrap)
    signature = SIGNATURE_EXAMPLES if reads_examples else SIGNATURE_SMILES
    return _measured(replace(named, scored_by=signature, gains=_gains(candidate, measured, bootstrap)), measured)


def _measured(named: ChampionComparison, measured: Measurement) -> ChampionComparison:
    return replace(named, mean_average_precision=measured.mean_average_precision, slices=measured.slices)


def _gains(candidate: Measurement, champion: Measurement, bootstrap: BootstrapSettings) -> tuple[Gain, ...]:
    gains: list[Gain] = []
    if candidate.mean_average_precision is not None and champion.mean_average_precision is not None:
        value = candidate.mean_average_precision - champion.mean_average_precision
        samples = mean_samples(candidate.samples) - mean_samples(champion.samples)
        gains.append(Gain(MEAN, value, bootstrap.interval(samples)))
    before = {part.name: part.average_precision for part in champion.slices}
    for part in candidate.slices:
        old = before.get(part.name)
        if part.average_precision is not None and old is not None:
            interval = bootstrap.interval(candidate.samples[part.name] - champion.samples[part.name])
            gains.append(Gain(part.name, part.average_precision - old, interval))
    return tuple(gains)


def _reads_examples_of(champion: ModelDescription, candidate: ModelDescription) -> bool:
    return champion.vocabulary == candidate.vocabulary and (not champion.reads_ecfp or champion.ecfp == candidate.ecfp)


def _unusable(champion: Champion, folder: Path, description: ModelDescription, targets: Sequence[str]) -> str:
    if not (folder / SAVED_MODEL_FILE).is_file():
        return (
            f"{folder} is gone. Restore it, or delete {CHAMPION_FILE} beside it: the next model is then judged by the "
            "absolute floors alone."
        )
    if model_digest(folder) != champion.digest:
        return (
            f"{folder} is not the model that was pushed: its files have changed. "
            f"Restore it, or delete {CHAMPION_FILE} beside it."
        )
    predicted = description.targets or tuple(targets)
    if predicted != tuple(targets):
        return (
            f"it predicts {', '.join(predicted)}, the new model {', '.join(targets)}. "
            "Use another data.output_dir for other targets."
        )
    return ""
