"""Measure the model in production on the validation molecules that neither it nor the new one saw in training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from belka.chemistry.blocks.compose import read_catalogue
from belka.contract import (
    BLOCK_IDS,
    CHAMPION_FILE,
    CHAMPION_PREDICTIONS_FILE,
    MOLECULE_ID,
    SAVED_MODEL_FILE,
    SIGNATURE_EXAMPLES,
    SIGNATURE_SMILES,
    SMILES,
    UNSEEN_FILE,
)
from belka.errors import BelkaError
from belka.models.champion import Champion, model_digest, read_champion
from belka.models.description import ModelDescription, read_description
from belka.models.unseen import Unseen, block_columns, molecule_hashes, read_unseen
from components.affinity_evaluator.gains import gains_over
from components.affinity_evaluator.gate import WAY_OUT, ChampionComparison
from components.affinity_evaluator.measurement import Measurement, Measuring
from components.affinity_evaluator.scoring import score_examples, score_molecules, scored_molecules
from components.affinity_evaluator.settings import EvaluationSettings


@dataclass(frozen=True)
class ChampionSource:
    """Where the champion and the data it needs are.

    Attributes:
        models_dir: Folder of the pushed versions, with champion.json.
        molecules_dir: Folder written by ParquetMerge: SMILES and blocks of the molecules.
        unseen: What the new model never saw in training; None = it is not known.
    """

    models_dir: Path
    molecules_dir: Path
    unseen: Unseen | None


def compare_with_champion(
    source: ChampionSource,
    model_dir: Path,
    candidate: Measurement,
    *,
    examples_files: Sequence[Path],
    candidate_file: Path,
    settings: EvaluationSettings,
    measuring: Measuring,
) -> ChampionComparison | None:
    """Score and measure the champion on those molecules of the candidate's that neither saw in training.

    A champion of another vocabulary or fingerprint than the Examples hold is scored from the SMILES.

    Args:
        source: The champion.
        model_dir: SavedModel of the new model.
        candidate: Its metrics.
        examples_files: TFRecord files of the validation split.
        candidate_file: Its predictions.parquet; champion_predictions.parquet is written beside it.
        settings: How many molecules a comparison takes at least, and how many are scored at a time.
        measuring: How models are measured.

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
        return _measured(replace(named, same_model=True), candidate, candidate)
    folder, targets = source.models_dir / champion.version, measuring.targets
    predictions_file = candidate_file.with_name(CHAMPION_PREDICTIONS_FILE)
    sizes = {"n_targets": len(targets), "batch_size": settings.batch_size}
    try:
        description = read_description(folder) or ModelDescription()
        if problem := _unusable(champion, folder, description, targets):
            return replace(named, problem=problem)
        ids = _seen_by_neither(source, read_unseen(folder), candidate_file)
        judged = measuring.measure(candidate_file, ids)
        if judged.molecules < min(settings.min_comparison_molecules, candidate.molecules):
            return replace(named, problem=_too_few(judged, candidate, settings))
        if _reads_examples_of(description, read_description(model_dir) or ModelDescription()):
            named = replace(named, scored_by=SIGNATURE_EXAMPLES)
            score_examples(folder, examples_files, predictions_file, **sizes)
        else:
            named = replace(named, scored_by=SIGNATURE_SMILES)
            score_molecules(folder, source.molecules_dir, candidate_file, predictions_file, **sizes)
    except BelkaError as error:
        return replace(named, scored_by="", problem=f"{error.problem} {error.received}. {error.action}")
    measured = measuring.measure(predictions_file, ids)
    return _measured(replace(named, gains=gains_over(measured, judged, measuring.bootstrap)), measured, judged)


def _measured(named: ChampionComparison, measured: Measurement, judged: Measurement) -> ChampionComparison:
    return replace(
        named,
        mean_average_precision=measured.mean_average_precision,
        slices=measured.slices,
        molecules=judged.molecules,
        judged_mean=judged.mean_average_precision,
        judged_slices=judged.slices,
    )


def _seen_by_neither(source: ChampionSource, champion: Unseen | None, candidate_file: Path) -> NDArray[np.int64]:
    """The ids of the validation molecules that neither model saw in training, int64 [n].

    Raises:
        BelkaError: One of them does not tell what it saw.
    """
    for name, record in (("It", champion), ("The new model", source.unseen)):
        if record is None:
            raise BelkaError(
                f"{name} has no record of what its training saw, which may be the molecules of the comparison.",
                received=f"no {UNSEEN_FILE}, as versions before 0.2 made models" if name == "It" else "no provenance",
                action=WAY_OUT,
            )
    catalogue = read_catalogue(source.molecules_dir)
    found = [np.empty(0, np.int64)]
    for rows in scored_molecules(source.molecules_dir, candidate_file, [SMILES, *BLOCK_IDS]):
        hashes, blocks = molecule_hashes(rows.column(SMILES)), block_columns(rows)
        kept = np.ones(rows.num_rows, np.bool_)
        for record in (champion, source.unseen):
            if record is not None:
                kept &= record.never_saw(hashes, blocks, catalogue)
        found.append(rows.column(MOLECULE_ID).to_numpy()[kept])
    return np.concatenate(found)


def _too_few(judged: Measurement, candidate: Measurement, settings: EvaluationSettings) -> str:
    slices = ", ".join(f"{part.name} {part.n:,}" for part in judged.slices)
    return (
        f"only {judged.molecules:,} of {candidate.molecules:,} validation molecules were in the training data of "
        f"neither model (with labels: {slices}). evaluation.min_comparison_molecules asks for "
        f"{settings.min_comparison_molecules:,}: set it lower to compare on these few. {WAY_OUT}"
    )


def _reads_examples_of(champion: ModelDescription, candidate: ModelDescription) -> bool:
    same_bits = not champion.reads_ecfp or champion.ecfp == candidate.ecfp
    has_blocks = not champion.reads_blocks or candidate.reads_blocks
    return champion.vocabulary == candidate.vocabulary and same_bits and has_blocks


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
