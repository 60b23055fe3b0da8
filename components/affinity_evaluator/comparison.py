"""Measure the model in production on the data of the new one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from belka import contract as dc
from belka.errors import BelkaError
from belka.models.champion import Champion, model_digest, read_champion
from belka.models.folder import DESCRIPTION_FILE
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.gate import MEAN, ChampionComparison, Gain
from components.affinity_evaluator.measurement import Measurement, mean_samples, measure_predictions
from components.affinity_evaluator.molecule_scoring import score_molecules
from components.affinity_evaluator.scoring import score_examples

CHAMPION_PREDICTIONS_FILE: Final = "champion_predictions.parquet"


@dataclass(frozen=True)
class ChampionSource:
    """Where the champion and the data it needs are.

    Args:
        models_dir: Folder of the pushed versions, with champion.json.
        molecules_dir: Folder written by ParquetMerge: the SMILES, for a champion that knows other token ids.
    """

    models_dir: Path
    molecules_dir: Path


def compare_with_champion(
    source: ChampionSource,
    candidate_dir: Path,
    candidate: Measurement,
    examples_files: Sequence[Path],
    candidate_predictions: Path,
    *,
    targets: Sequence[str],
    batch_size: int,
    bootstrap: BootstrapSettings,
) -> ChampionComparison | None:
    """Score and measure the champion on the molecules the candidate was measured on.

    The Examples hold the candidate's token ids and fingerprints. A champion that reads the same ones is scored on them; one of
    another vocabulary or another fingerprint would take them for something else, and is scored from the SMILES of the same molecules.

    Args:
        source: The champion.
        candidate_dir: SavedModel of the candidate.
        candidate: Its metrics.
        examples_files: TFRecord files of the validation split.
        candidate_predictions: The candidate's predictions.parquet; champion_predictions.parquet is written beside it.
        targets: Target names.
        batch_size: Molecules scored at a time.
        bootstrap: How intervals are computed.

    Returns:
        The comparison; None where no model was pushed yet. A champion that is gone or cannot be scored comes back with `problem`.

    Raises:
        InputError: champion.json is damaged.
    """
    champion = read_champion(source.models_dir)
    if champion is None:
        return None
    named = ChampionComparison(champion.version, champion.digest)
    if champion.digest == model_digest(candidate_dir):
        return _measured(named, candidate, same_model=True, scored_by="")
    folder = source.models_dir / champion.version
    problem = _unusable(champion, folder, targets)
    if problem:
        return replace(named, problem=problem)
    predictions_file = candidate_predictions.with_name(CHAMPION_PREDICTIONS_FILE)
    reads_examples = _reads_examples_of(_description(folder), _description(candidate_dir))
    sizes = {"n_targets": len(targets), "batch_size": batch_size}
    try:
        if reads_examples:
            score_examples(folder, examples_files, predictions_file, **sizes)
        else:
            score_molecules(folder, source.molecules_dir, candidate_predictions, predictions_file, **sizes)
    except BelkaError as error:
        problem = f"{error.problem} {error.received}. {error.action}"
        return replace(named, problem=problem)
    measured = measure_predictions(predictions_file, targets=targets, bootstrap=bootstrap)
    signature = dc.SIGNATURE_EXAMPLES if reads_examples else dc.SIGNATURE_SMILES
    gains = _gains(candidate, measured, bootstrap)
    return replace(_measured(named, measured, same_model=False, scored_by=signature), gains=gains)


def _measured(
    named: ChampionComparison, measured: Measurement, *, same_model: bool, scored_by: str
) -> ChampionComparison:
    return replace(
        named,
        same_model=same_model,
        scored_by=scored_by,
        mean_average_precision=measured.mean_average_precision,
        slices=measured.slices,
    )


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


def _reads_examples_of(champion: Mapping[str, Any], candidate: Mapping[str, Any]) -> bool:
    reads_ecfp = champion.get("model", {}).get("ecfp_branch", False)
    return champion.get("vocabulary") == candidate.get("vocabulary") and (
        not reads_ecfp or _fingerprint(champion) == _fingerprint(candidate)
    )


def _fingerprint(description: Mapping[str, Any]) -> dict[str, Any]:
    # Models exported before there was a choice name no kind.
    return {"kind": "ecfp", **(description.get("ecfp") or {})}


def _unusable(champion: Champion, folder: Path, targets: Sequence[str]) -> str:
    if not (folder / "saved_model.pb").is_file():
        return f"{folder} is gone. Restore it, or delete champion.json beside it: the next model is then judged by the absolute floors alone."
    if model_digest(folder) != champion.digest:
        return f"{folder} is not the model that was pushed: its files have changed. Restore it, or delete champion.json beside it."
    predicted = _description(folder).get("targets", list(targets))
    if predicted != list(targets):
        return f"it predicts {', '.join(predicted)}, the new model {', '.join(targets)}. Use another data.output_dir for other targets."
    return ""


def _description(model_dir: Path) -> dict[str, Any]:
    file = model_dir / DESCRIPTION_FILE
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return content
