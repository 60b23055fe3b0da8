"""Train the baselines, score the validation molecules with them, and tell what a model gains over each."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import BLOCKS_FILE, FEATURE_SPLIT_GROUP, Subset, baseline_predictions_file
from belka.examples import known_total, len_of, read_examples
from belka.models.description import ModelDescription, read_description
from belka.models.draw_scores import DrawScores
from belka.progress import counted
from components.affinity_evaluator.baselines.models import FITTERS, Baseline, Training
from components.affinity_evaluator.baselines.rows import COLUMNS, Rows, sample_rows
from components.affinity_evaluator.block_ids import MoleculeBlocks
from components.affinity_evaluator.gains import gains_over
from components.affinity_evaluator.gate import BaselineComparison, BaselineComparisons
from components.affinity_evaluator.measurement import Measurement, Measuring
from components.affinity_evaluator.predictions import PredictionsWriter
from components.affinity_evaluator.settings import BaselineName, EvaluationSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSource:
    """Where the data are that a model was trained on.

    Attributes:
        examples_files: TFRecord files of the training split.
        molecules_dir: Folder written by ParquetMerge.
        draws: What the model's members said of molecules held out from them, draw by draw; nothing where none were.
    """

    examples_files: Sequence[Path]
    molecules_dir: Path
    draws: Sequence[DrawScores] = ()


def compare_with_baselines(
    source: TrainingSource,
    model_dir: Path,
    candidate: Measurement,
    *,
    examples_files: Sequence[Path],
    candidate_file: Path,
    settings: EvaluationSettings,
    measuring: Measuring,
) -> BaselineComparisons | None:
    """Train every baseline on the rows that the model trained on and measure it on the same molecules and resamples.

    Args:
        source: The training data.
        model_dir: SavedModel of the model, which tells what fingerprint the Examples hold.
        candidate: Metrics of the model.
        examples_files: TFRecord files of the validation split.
        candidate_file: Its predictions.parquet; `baseline_predictions_file` of each is written beside it.
        settings: Most molecules that baselines are trained on.
        measuring: How models are measured; the seed of its bootstrap is that of the sample, the folds and the models.

    Returns:
        The baselines; None where the settings ask for none.

    Raises:
        BelkaError: Examples are damaged.
    """
    if not settings.baseline_molecules:
        return None
    start = time.monotonic()
    targets, bootstrap = measuring.targets, measuring.bootstrap
    training, labelled = training_of(source, model_dir, targets, settings.baseline_molecules, bootstrap.seed)
    fitters = counted(FITTERS.items(), "training baselines", "baselines", len(FITTERS))
    fitted = {name: fit(training) for name, fit in fitters}
    trained = time.monotonic()
    files = {name: candidate_file.with_name(baseline_predictions_file(name)) for name in fitted}
    _score(fitted, files, examples_files, source.molecules_dir, len(targets))
    scored = time.monotonic()
    compared: dict[str, BaselineComparison] = {}
    for name, baseline in fitted.items():
        measured = measuring.measure(files[name])
        gains = gains_over(measured, candidate, bootstrap)
        compared[name] = BaselineComparison(
            baseline.description, measured.mean_average_precision, measured.mean_interval, measured.slices, gains
        )
    logger.info(
        "Baselines: %d of %d labelled training molecules; %.1f s to train, %.1f s to score, %.1f s to measure.",
        len(training.rows.ids),
        labelled,
        trained - start,
        scored - trained,
        time.monotonic() - scored,
    )
    return BaselineComparisons(len(training.rows.ids), labelled, compared)


def training_of(
    source: TrainingSource, model_dir: Path, targets: Sequence[str], limit: int, seed: int
) -> tuple[Training, int]:
    """What baselines are trained on, and how many labelled molecules there are in all."""
    files, folder = source.examples_files, source.molecules_dir
    rows, labelled = sample_rows(files, folder, n_targets=len(targets), limit=limit, seed=seed)
    n_blocks = pq.read_metadata(folder / BLOCKS_FILE).num_rows
    fingerprint = (read_description(model_dir) or ModelDescription()).ecfp or FingerprintSettings()
    return Training(rows, tuple(targets), n_blocks, fingerprint.name, seed), labelled


def _score(
    fitted: Mapping[BaselineName, Baseline],
    files: Mapping[BaselineName, Path],
    examples_files: Sequence[Path],
    molecules_dir: Path,
    n_targets: int,
) -> None:
    """Write the predictions of all baselines in one pass over the Examples."""
    blocks = MoleculeBlocks.read(molecules_dir, Subset.VALIDATION)
    with ExitStack() as stack:
        writers = {name: stack.enter_context(PredictionsWriter(file, n_targets)) for name, file in files.items()}
        batches = read_examples(examples_files, (*COLUMNS, FEATURE_SPLIT_GROUP), n_targets=n_targets)
        for batch in counted(batches, "scoring baselines", "molecules", known_total(examples_files), size=len_of):
            ids, packed, labels = (batch.columns[name] for name in COLUMNS)
            rows = Rows(ids, packed, blocks.of(ids), labels)
            for name, baseline in fitted.items():
                writers[name].write(ids, batch.columns[FEATURE_SPLIT_GROUP], labels.ravel(), baseline.predict(rows))
