"""Measure the predictions of one model by slice, with bootstrap intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belka.contract import SplitGroup
from components.affinity_evaluator.bootstrap import (
    BootstrapSettings,
    Interval,
    ResampledSlice,
    Samples,
    resample_slices,
)
from components.affinity_evaluator.calibration import calibration_bin_of
from components.affinity_evaluator.predictions import Predictions, known, read_predictions
from components.affinity_evaluator.slices import (
    ENRICHMENT_SHARES,
    RECALLS,
    SliceMetrics,
    add_intervals,
    mean_average_precision,
    slice_metrics,
)
from components.affinity_evaluator.units import NewBlocks, ResampledUnit, Units

# Streams of random numbers: which units are drawn, and how many molecules are dealt to units.
_DRAWING_STREAM: Final = 1 << 16
_DEALING_STREAM: Final = _DRAWING_STREAM + 1


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
        units: Split group -> what its resamples draw; groups without intervals are left out.
    """

    molecules: int
    unusable_predictions: int
    mean_average_precision: float | None
    mean_interval: Interval | None
    slices: tuple[SliceMetrics, ...]
    samples: Mapping[str, Samples] = field(default_factory=dict, compare=False)
    units: Mapping[str, ResampledUnit] = field(default_factory=dict)


@dataclass(frozen=True)
class Measuring:
    """How the models of one evaluation are measured, all alike.

    Attributes:
        targets: Target names.
        bootstrap: How intervals are computed.
        new_blocks: Which building blocks are new; None = intervals resample molecules.
    """

    targets: Sequence[str]
    bootstrap: BootstrapSettings
    new_blocks: NewBlocks | None

    def measure(self, predictions_file: Path, molecules: NDArray[np.int64] | None = None) -> Measurement:
        """Measure the predictions of a model on the molecules of these ids; None = on all."""
        return measure_predictions(
            predictions_file,
            targets=self.targets,
            bootstrap=self.bootstrap,
            molecules=molecules,
            new_blocks=self.new_blocks,
        )


def measure_predictions(
    predictions_file: Path,
    *,
    targets: Sequence[str],
    bootstrap: BootstrapSettings | None = None,
    molecules: NDArray[np.int64] | None = None,
    new_blocks: NewBlocks | None = None,
) -> Measurement:
    """Measure predictions that `score_examples` wrote.

    Memory with three targets: about 140 bytes a molecule beside the 20 of `new_blocks`. 8.6 million molecules took 1.7
    GB with all that a process holds anyway (benchmarks/README.md).

    Args:
        predictions_file: predictions.parquet, in any order of the molecules.
        targets: Target names, in the order of its columns.
        bootstrap: How intervals are computed; None = none are.
        molecules: Ids of the molecules to measure on; None = all.
        new_blocks: Which building blocks are new: intervals of molecules with any resample these blocks; None = all
            intervals resample molecules.
    """
    predictions = read_predictions(predictions_file, len(targets))
    if molecules is not None:
        predictions = predictions.where(np.isin(predictions.ids, molecules))
    return measure(predictions, targets=targets, bootstrap=bootstrap, new_blocks=new_blocks)


def measure(
    predictions: Predictions,
    *,
    targets: Sequence[str],
    bootstrap: BootstrapSettings | None = None,
    new_blocks: NewBlocks | None = None,
) -> Measurement:
    """Measure predictions that are in memory, see `measure_predictions`."""
    found: dict[str, SliceMetrics] = {}
    samples: dict[str, Samples] = {}
    told: dict[str, ResampledUnit] = {}
    for group in SplitGroup:
        # Molecules without any label count nowhere, not even in the size of a resample.
        part = predictions.where((predictions.groups == group) & known(predictions.labels).any(axis=1))
        measured, drawn, unit = _group_slices(part, group, targets, bootstrap, new_blocks)
        found.update((one.name, one) for one in measured)
        samples.update(drawn)
        if unit is not None:
            told[group.label] = unit
    slices = tuple(found[f"{target}/{group.label}"] for target in targets for group in SplitGroup)
    values = predictions.probabilities
    return Measurement(
        molecules=len(predictions.ids),
        unusable_predictions=int(np.count_nonzero(~((values >= 0) & (values <= 1)))),
        mean_average_precision=mean_average_precision(slices),
        mean_interval=bootstrap.interval(mean_samples(samples)) if bootstrap is not None and samples else None,
        slices=slices,
        samples=samples,
        units=told,
    )


def mean_samples(samples: Mapping[str, Samples]) -> Samples:
    """The mean average precision of every resample, float64 [n_samples]; NaN where a slice has no positive in it."""
    mean: Samples = np.mean(list(samples.values()), axis=0)
    return mean


def _group_slices(
    part: Predictions,
    group: SplitGroup,
    targets: Sequence[str],
    bootstrap: BootstrapSettings | None,
    new_blocks: NewBlocks | None,
) -> tuple[list[SliceMetrics], dict[str, Samples], ResampledUnit | None]:
    """Measure the slices of a split group; average precision of the resamples of those that exist; what was drawn."""
    slices: list[SliceMetrics] = []
    for index, target in enumerate(targets):
        _, labels, probabilities = part.of_target(index)
        slices.append(slice_metrics(target, group.label, labels, probabilities))
    existing = [index for index, one in enumerate(slices) if not one.reason]
    if bootstrap is None or not existing:
        return slices, {}, None
    dealer = bootstrap.generator(_DEALING_STREAM, group)
    if new_blocks is not None and group is SplitGroup.NON_SHARED:
        units = Units.of_blocks(new_blocks.of(part.ids), dealer)
    else:
        units = Units.of_molecules(len(part.ids), dealer)
    counted = []
    for index in existing:
        rows, labels, probabilities = part.of_target(index)
        bins = None if slices[index].brier is None else calibration_bin_of(probabilities)
        counted.append(ResampledSlice.count(labels, probabilities, units.of[rows], units.n, bins))
    drawn = resample_slices(
        counted,
        units,
        shares=ENRICHMENT_SHARES,
        recalls=RECALLS,
        n_samples=bootstrap.samples,
        generator=bootstrap.generator(_DRAWING_STREAM, group),
    )
    samples: dict[str, Samples] = {}
    for index, resampled in zip(existing, drawn, strict=True):
        slices[index] = add_intervals(slices[index], resampled, bootstrap)
        samples[slices[index].name] = resampled.average_precision
    return slices, samples, units.told
