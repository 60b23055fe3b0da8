"""Measure the predictions of one model by slice, with bootstrap intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belka.contract import SplitGroup
from components.affinity_evaluator.bootstrap import BootstrapSettings, Interval, RankedSlice, Samples, resample_rankings
from components.affinity_evaluator.predictions import Predictions, known, read_predictions
from components.affinity_evaluator.ranking import RankedMolecules
from components.affinity_evaluator.slices import (
    ENRICHMENT_SHARES,
    RECALLS,
    SliceMetrics,
    add_intervals,
    mean_average_precision,
    slice_metrics,
)

# Streams of random numbers below belong to targets.
_MOLECULES_STREAM: Final = 1 << 16


@dataclass(frozen=True)
class Measurement:
    """Metrics of one model.

    Attributes:
        molecules: Molecules scored, those without a known label included.
        unusable_predictions: Predictions that are not finite or outside [0, 1], of known and unknown labels alike.
        mean_average_precision: Plain mean over the slices that exist; None when there is none.
        mean_interval: Its bootstrap interval.
        slices: One entry a (target, split group), existing or not.
        samples: Name of an existing slice -> its average precision in every bootstrap resample, float64 [n_samples].
            Models measured on the same molecules with the same settings are measured on the same resamples.
    """

    molecules: int
    unusable_predictions: int
    mean_average_precision: float | None
    mean_interval: Interval | None
    slices: tuple[SliceMetrics, ...]
    samples: Mapping[str, Samples] = field(default_factory=dict, compare=False)


def measure_predictions(
    predictions_file: Path,
    *,
    targets: Sequence[str],
    bootstrap: BootstrapSettings | None = None,
    molecules: NDArray[np.int64] | None = None,
) -> Measurement:
    """Measure predictions that `score_examples` wrote; memory: about 60 bytes a molecule of the larger split group.

    Args:
        predictions_file: predictions.parquet, in any order of the molecules.
        targets: Target names, in the order of its columns.
        bootstrap: How intervals are computed; None = none are.
        molecules: Ids of the molecules to measure on; None = all.
    """
    predictions = read_predictions(predictions_file, len(targets))
    if molecules is not None:
        predictions = predictions.where(np.isin(predictions.ids, molecules))
    found: dict[str, SliceMetrics] = {}
    samples: dict[str, Samples] = {}
    for group in SplitGroup:
        # Molecules without any label count nowhere, not even in the size of a resample.
        part = predictions.where((predictions.groups == group) & known(predictions.labels).any(axis=1))
        measured = _group_slices(part, group, targets, bootstrap, samples)
        found.update((one.name, one) for one in measured)
    slices = tuple(found[f"{target}/{group.label}"] for target in targets for group in SplitGroup)
    values = predictions.probabilities
    return Measurement(
        molecules=len(predictions.ids),
        unusable_predictions=int(np.count_nonzero(~((values >= 0) & (values <= 1)))),
        mean_average_precision=mean_average_precision(slices),
        mean_interval=bootstrap.interval(mean_samples(samples)) if bootstrap is not None and samples else None,
        slices=slices,
        samples=samples,
    )


def mean_samples(samples: Mapping[str, Samples]) -> Samples:
    """The mean average precision of every resample, float64 [n_samples]; NaN where a slice has no positive in it."""
    mean: Samples = np.mean(list(samples.values()), axis=0)
    return mean


def _group_slices(
    group_predictions: Predictions,
    group: SplitGroup,
    targets: Sequence[str],
    bootstrap: BootstrapSettings | None,
    samples: dict[str, Samples],
) -> list[SliceMetrics]:
    """Measure the slices of a split group; their resamples are added to `samples`."""
    columns = [group_predictions.of_target(index) for index in range(len(targets))]
    slices = [
        slice_metrics(target, group.label, labels, probabilities)
        for target, (_, labels, probabilities) in zip(targets, columns, strict=True)
    ]
    existing = [index for index, part in enumerate(slices) if not part.reason]
    if bootstrap is None or not existing:
        return slices
    rankings = []
    for index in existing:
        rows, labels, probabilities = columns[index]
        rankings.append(RankedSlice(rows, RankedMolecules.from_predictions(labels, probabilities)))
    drawn = resample_rankings(
        rankings,
        len(group_predictions.ids),
        shares=ENRICHMENT_SHARES,
        recalls=RECALLS,
        n_samples=bootstrap.samples,
        generator=bootstrap.generator(_MOLECULES_STREAM, group),
    )
    for index, ranking in zip(existing, drawn, strict=True):
        _, labels, probabilities = columns[index]
        slices[index] = add_intervals(slices[index], labels, probabilities, ranking, bootstrap, index, group)
        samples[slices[index].name] = ranking.average_precision
    return slices
