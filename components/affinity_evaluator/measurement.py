"""Measure the predictions of one model by slice, with bootstrap intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components import data_contract as dc
from components.affinity_evaluator.bootstrap import BootstrapSettings, Interval, Samples
from components.affinity_evaluator.slices import (
    SliceMetrics,
    add_intervals,
    known,
    mean_average_precision,
    slice_metrics,
)


@dataclass(frozen=True)
class Measurement:
    """Metrics of one model.

    Args:
        molecules: Molecules scored, those without a known label included.
        unusable_predictions: Predictions that are not finite or outside [0, 1], of known and unknown labels alike.
        mean_average_precision: Plain mean over the slices that exist; None when there is none.
        mean_interval: Its bootstrap interval, slices resampled independently of each other.
        slices: One entry a (target, split group), existing or not.
    """

    molecules: int
    unusable_predictions: int
    mean_average_precision: float | None
    mean_interval: Interval | None
    slices: tuple[SliceMetrics, ...]


def measure_predictions(
    predictions_file: Path, *, targets: Sequence[str], bootstrap: BootstrapSettings | None = None
) -> Measurement:
    """Measure predictions that `score_examples` wrote; memory: about 6 bytes a molecule, one target at a time.

    Args:
        predictions_file: predictions.parquet.
        targets: Target names, in the order of its columns.
        bootstrap: How intervals are computed; None = none are.

    Returns:
        The metrics.
    """
    slices: list[SliceMetrics] = []
    samples: list[Samples] = []
    unusable = 0
    for index, target in enumerate(targets):
        labels, probabilities, groups, unusable_of_target = target_columns(predictions_file, index)
        unusable += unusable_of_target
        for group in dc.SplitGroup:
            inside = groups == group
            part = slice_metrics(target, group.label, labels[inside], probabilities[inside])
            if bootstrap is not None:
                part, drawn = add_intervals(part, labels[inside], probabilities[inside], bootstrap, index, group)
                samples += [drawn] if drawn is not None else []
            slices.append(part)
    return Measurement(
        molecules=pq.read_metadata(predictions_file).num_rows,
        unusable_predictions=unusable,
        mean_average_precision=mean_average_precision(slices),
        mean_interval=bootstrap.interval(np.mean(samples, axis=0)) if bootstrap is not None and samples else None,
        slices=tuple(slices),
    )


def target_columns(
    predictions_file: Path, index: int
) -> tuple[NDArray[np.int8], NDArray[np.float32], NDArray[np.int8], int]:
    """Read the predictions of one target.

    Args:
        predictions_file: predictions.parquet.
        index: Position of the target.

    Returns:
        Labels int8 [n], probabilities float32 [n] and split groups int8 [n] where the label is known; the number of unusable
        predictions of all molecules.
    """
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
