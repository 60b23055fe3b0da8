"""Evaluate a model on held-out Examples: predictions.parquet, evaluation.json and the verdict."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components import data_contract as dc
from components.affinity_evaluator.gate import Verdict, judge
from components.affinity_evaluator.scoring import score_examples
from components.affinity_evaluator.slices import SliceMetrics, known, mean_average_precision, slice_metrics
from components.atomic import atomic_path
from components.errors import InputError

EVALUATION_FILE: Final = "evaluation.json"
PREDICTIONS_FILE: Final = "predictions.parquet"

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """What evaluation.json holds.

    Args:
        molecules: Molecules scored, those without a known label included.
        mean_average_precision: Plain mean over the slices that exist; None when there is none.
        slices: One entry a (target, split group), existing or not.
        min_mean_average_precision: The floor that was applied.
        verdict: Whether the model may be pushed.
    """

    molecules: int
    mean_average_precision: float | None
    slices: tuple[SliceMetrics, ...]
    min_mean_average_precision: float
    verdict: Verdict


def evaluate_model(
    model_dir: Path,
    examples_files: Sequence[Path],
    output_dir: Path,
    *,
    targets: Sequence[str],
    batch_size: int,
    min_mean_average_precision: float = 0.0,
) -> Evaluation:
    """Score held-out Examples with an exported model and measure it as the competition does.

    Average precision and ROC AUC of every (target, split group) by scikit-learn; a pair of unknown label counts nowhere. Memory:
    one batch while scoring, then about 6 bytes a molecule while measuring one target.

    Args:
        model_dir: SavedModel with the signature `serving_default`.
        examples_files: TFRecord files of the validation split; none = nothing could be held out, the model is not blessed.
        output_dir: Folder for predictions.parquet (molecule_id, split_group, binds, probabilities) and evaluation.json.
        targets: Target names, in the order of the Examples' labels.
        batch_size: Examples scored at a time, at least 1.
        min_mean_average_precision: Floor of the mean below which the model is not blessed, from 0 to 1.

    Returns:
        The evaluation, as written.

    Raises:
        InputError: `batch_size` or the floor is out of range.
        BelkaError: The model or the Examples cannot be used.
    """
    _check_settings(batch_size, min_mean_average_precision)
    predictions_file = output_dir / PREDICTIONS_FILE
    score_examples(model_dir, examples_files, predictions_file, n_targets=len(targets), batch_size=batch_size)
    evaluation = measure_predictions(
        predictions_file, targets=targets, min_mean_average_precision=min_mean_average_precision
    )
    with atomic_path(output_dir / EVALUATION_FILE) as temporary:
        temporary.write_text(json.dumps(asdict(evaluation), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    for reason in evaluation.verdict.reasons:
        _LOG.warning("The model is not blessed: %s", reason)
    return evaluation


def measure_predictions(
    predictions_file: Path, *, targets: Sequence[str], min_mean_average_precision: float
) -> Evaluation:
    """Measure predictions that `score_examples` wrote.

    Args:
        predictions_file: predictions.parquet.
        targets: Target names, in the order of its columns.
        min_mean_average_precision: Floor of the mean, from 0 to 1.

    Returns:
        The evaluation.
    """
    slices: list[SliceMetrics] = []
    unusable = 0
    for index, target in enumerate(targets):
        labels, probabilities, groups, unusable_of_target = _target_columns(predictions_file, index)
        unusable += unusable_of_target
        for group in dc.SplitGroup:
            inside = groups == group
            slices.append(slice_metrics(target, group.label, labels[inside], probabilities[inside]))
    mean = mean_average_precision(slices)
    return Evaluation(
        molecules=pq.read_metadata(predictions_file).num_rows,
        mean_average_precision=mean,
        slices=tuple(slices),
        min_mean_average_precision=min_mean_average_precision,
        verdict=judge(
            slices,
            mean,
            unusable_predictions=unusable,
            min_mean_average_precision=min_mean_average_precision,
        ),
    )


def _target_columns(
    predictions_file: Path, index: int
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int8], int]:
    """Labels, probabilities and split groups where the label is known; the number of unusable predictions of all molecules."""
    kept: list[tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int8]]] = [
        (np.empty(0, np.int8), np.empty(0, np.float32), np.empty(0, np.int8))  # concatenation wants at least one part
    ]
    unusable = 0
    for labels, probabilities, groups in _row_groups(predictions_file, index):
        unusable += int(np.count_nonzero(~((probabilities >= 0) & (probabilities <= 1))))
        counts = known(labels)
        kept.append((labels[counts], probabilities[counts], groups[counts]))
    all_labels, all_probabilities, all_groups = zip(*kept, strict=True)
    return np.concatenate(all_labels), np.concatenate(all_probabilities), np.concatenate(all_groups), unusable


def _row_groups(
    predictions_file: Path, index: int
) -> Iterator[tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int8]]]:
    with pq.ParquetFile(predictions_file) as file:
        for batch in file.iter_batches():
            labels, probabilities = (
                pc.list_flatten(batch.column(name)).to_numpy().reshape(batch.num_rows, -1)[:, index]
                for name in (dc.BINDS, dc.OUTPUT_PROBABILITIES)
            )
            yield labels, probabilities, batch.column(dc.SPLIT_GROUP).to_numpy()


def _check_settings(batch_size: int, min_mean_average_precision: float) -> None:
    if batch_size < 1:
        raise InputError(
            "The evaluation's batch size is too small.",
            received=str(batch_size),
            expected="at least 1",
            action="Set evaluation.batch_size to 1 or more.",
        )
    if not 0.0 <= min_mean_average_precision <= 1.0:
        raise InputError(
            "The floor of the mean average precision is out of range.",
            received=str(min_mean_average_precision),
            expected="a number from 0 to 1",
            action="Set evaluation.min_mean_average_precision to a number from 0 to 1.",
        )
