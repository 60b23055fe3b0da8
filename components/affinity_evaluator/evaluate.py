"""Evaluate a model on held-out Examples: predictions.parquet, evaluation.json and the verdict."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from belka.contract import EVALUATION_FILE, PREDICTIONS_FILE
from belka.files import atomic_path
from belka.models.champion import model_digest
from belka.models.description import read_description
from components.affinity_evaluator.baselines.compare import TrainingSource, compare_with_baselines, training_of
from components.affinity_evaluator.baselines.draws import DrawnComparisons, compare_draws
from components.affinity_evaluator.block_similarity import nearest_training_blocks
from components.affinity_evaluator.bootstrap import BootstrapSettings, Interval
from components.affinity_evaluator.comparison import ChampionSource, compare_with_champion
from components.affinity_evaluator.gate import BaselineComparisons, ChampionComparison, Verdict, judge
from components.affinity_evaluator.ladder import Rung, measure_ladders
from components.affinity_evaluator.measurement import Measuring
from components.affinity_evaluator.predictions import read_predictions
from components.affinity_evaluator.reliability import Reliability, measure_reliability
from components.affinity_evaluator.scoring import score_examples
from components.affinity_evaluator.settings import EvaluationSettings, GateSettings
from components.affinity_evaluator.slices import SliceMetrics
from components.affinity_evaluator.units import NewBlocks, ResampledUnit

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """What evaluation.json holds.

    Attributes:
        digest: `model_digest` of the model.
        molecules: Molecules scored, those without a known label included.
        mean_average_precision: Plain mean over the slices that exist; None when there is none.
        mean_interval: Its bootstrap interval.
        slices: One entry per (target, split group), existing or not.
        champion: The model in production on the same data; None when no model was pushed yet.
        gate: The floors that were applied.
        bootstrap: How intervals were computed.
        verdict: Whether the model may be pushed.
        baselines: What cheap models reach on the same data; None where none were trained.
        units: Split group -> what the resamples behind its intervals draw.
        reliability: Of each target, before and after calibration.
        ladders: How the ranking gets worse the further molecules are from training; empty where that is not known.
        draws: What members and baselines have over several draws; None where none were asked for.
    """

    digest: str
    molecules: int
    mean_average_precision: float | None
    mean_interval: Interval | None
    slices: tuple[SliceMetrics, ...]
    champion: ChampionComparison | None
    gate: GateSettings
    bootstrap: BootstrapSettings
    verdict: Verdict
    baselines: BaselineComparisons | None = None
    units: Mapping[str, ResampledUnit] = field(default_factory=dict)
    reliability: tuple[Reliability, ...] = ()
    ladders: tuple[Rung, ...] = ()
    draws: DrawnComparisons | None = None


def evaluate_model(
    model_dir: Path,
    examples_files: Sequence[Path],
    output_dir: Path,
    *,
    targets: Sequence[str],
    settings: EvaluationSettings,
    seed: int,
    champion: ChampionSource | None = None,
    training: TrainingSource | None = None,
) -> Evaluation:
    """Score held-out Examples with an exported model, measure it as the competition does, and judge it.

    A pair of unknown label counts nowhere. Memory: one batch while scoring, then as `measure_predictions` says.

    Args:
        model_dir: SavedModel with the signature `serving_default`.
        examples_files: TFRecord files of the validation split; none = the model is not blessed.
        output_dir: Folder for predictions.parquet (molecule_id, split_group, binds, probabilities) and evaluation.json.
        targets: Target names, in the order of the Examples' labels.
        settings: Floors, and how it is measured.
        seed: Seed of the bootstrap.
        champion: Where the model in production is; None = do not compare with it.
        training: What the model was trained on; None = no baselines, ladders and draws, intervals resample molecules.

    Raises:
        InputError: A setting is out of range, or champion.json is damaged.
        BelkaError: The model or the Examples cannot be used.
    """
    bootstrap = settings.bootstrap(seed)
    file = output_dir / PREDICTIONS_FILE
    score_examples(model_dir, examples_files, file, n_targets=len(targets), batch_size=settings.batch_size)
    measuring = Measuring(targets, bootstrap, NewBlocks.read(training.molecules_dir) if training else None)
    measured = measuring.measure(file)
    given: dict[str, Any] = {
        "examples_files": examples_files,
        "candidate_file": file,
        "settings": settings,
        "measuring": measuring,
    }
    compared = compare_with_champion(champion, model_dir, measured, **given) if champion else None
    baselines = compare_with_baselines(training, model_dir, measured, **given) if training else None
    evaluation = Evaluation(
        digest=model_digest(model_dir),
        molecules=measured.molecules,
        mean_average_precision=measured.mean_average_precision,
        mean_interval=measured.mean_interval,
        slices=measured.slices,
        champion=compared,
        gate=settings.gate(),
        bootstrap=bootstrap,
        verdict=judge(measured, compared, settings, baselines),
        baselines=baselines,
        units=measured.units,
        reliability=_reliability(model_dir, file, measuring),
        ladders=_ladders(training, file, measuring),
        draws=_draws(training, model_dir, settings, measuring),
    )
    _write(evaluation, output_dir / EVALUATION_FILE)
    return evaluation


def _reliability(model_dir: Path, file: Path, measuring: Measuring) -> tuple[Reliability, ...]:
    description = read_description(model_dir)
    predictions = read_predictions(file, len(measuring.targets))
    new_blocks = measuring.new_blocks.of(predictions.ids) if measuring.new_blocks else None
    calibration = description.calibration if description else None
    return measure_reliability(predictions, measuring.targets, calibration, new_blocks, measuring.bootstrap.seed)


def _ladders(training: TrainingSource | None, file: Path, measuring: Measuring) -> tuple[Rung, ...]:
    if training is None or measuring.new_blocks is None:
        return ()
    nearest = nearest_training_blocks(training.molecules_dir, measuring.new_blocks.is_new)
    predictions = read_predictions(file, len(measuring.targets))
    return measure_ladders(predictions, measuring.targets, measuring.new_blocks, nearest, measuring.bootstrap)


def _draws(
    training: TrainingSource | None, model_dir: Path, settings: EvaluationSettings, measuring: Measuring
) -> DrawnComparisons | None:
    if training is None or not training.draws:
        if settings.draws:
            logger.warning("There are no draws: evaluation.draws trains members that read blocks, and there are none.")
        return None
    limit, seed = settings.baseline_molecules, measuring.bootstrap.seed
    return compare_draws(training.draws, training_of(training, model_dir, measuring.targets, limit, seed)[0])


def _write(evaluation: Evaluation, file: Path) -> None:
    content = asdict(evaluation) | {"gate": evaluation.gate.model_dump()}
    with atomic_path(file) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    for reason in evaluation.verdict.reasons:
        logger.warning("The model is not blessed: %s", reason)
