"""Ladders: how the ranking gets worse the further molecules are from training, in one evaluation.

Two ladders over the same molecules. `new_blocks`: how many of a molecule's building blocks training never shows, none
to three, and at last molecules of another library, which has no such blocks. `nearest_block`: of molecules with new
blocks, how like the nearest block of training that new block is which is least like any: a block of a similarity below
0.6 to all of training belongs to no cluster that training shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from components.affinity_evaluator.block_ids import NO_BLOCK
from components.affinity_evaluator.bootstrap import BootstrapSettings, Interval, ResampledSlice, resample_slices
from components.affinity_evaluator.predictions import Predictions, known
from components.affinity_evaluator.slices import SliceMetrics, slice_metrics
from components.affinity_evaluator.units import NewBlocks, Units

Ladder = Literal["new_blocks", "nearest_block"]
LADDERS: Final[tuple[tuple[Ladder, tuple[str, ...]], ...]] = (
    ("new_blocks", ("none_new", "one_new", "two_new", "three_new", "other_library")),
    ("nearest_block", ("known", "same_cluster", "other_cluster", "far")),
)
# Similarities from which on the nearest training block is of the block's own cluster, and no longer far.
SAME_CLUSTER: Final = 0.6
NOT_FAR: Final = 0.4
# A rung's interval needs no more: at the size of the full library each costs as much as a slice.
_MOST_RESAMPLES: Final = 200
_DRAWING_STREAM: Final = 1 << 17
_DEALING_STREAM: Final = _DRAWING_STREAM + 1
_BASE: Final = 8  # rungs of a ladder, at most
_OTHER_LIBRARY: Final = LADDERS[0][1].index("other_library")


@dataclass(frozen=True)
class Rung:
    """Metrics of one target on one rung.

    Attributes:
        ladder: Name of the ladder.
        name: Name of the rung.
        target: Target name.
        n: Molecules with a known label.
        positives: Binders among them.
        average_precision: None where there are not both labels.
        roc_auc: Likewise; unlike average precision it does not depend on the share of binders.
        average_precision_interval: Bootstrap interval; None where there is none.
        roc_auc_interval: Likewise.
    """

    ladder: Ladder
    name: str
    target: str
    n: int
    positives: int
    average_precision: float | None
    roc_auc: float | None
    average_precision_interval: Interval | None = None
    roc_auc_interval: Interval | None = None


def measure_ladders(
    predictions: Predictions,
    targets: Sequence[str],
    new_blocks: NewBlocks,
    nearest: NDArray[np.float64],
    bootstrap: BootstrapSettings,
) -> tuple[Rung, ...]:
    """Measure every target on every rung that has molecules; the lowest rung first.

    Args:
        predictions: Of the validation molecules.
        targets: Target names.
        new_blocks: Which blocks are new, and those of the molecules.
        nearest: float64 [n_blocks], see `nearest_training_blocks`.
        bootstrap: How intervals are computed; at most 200 resamples.
    """
    places = _rungs(predictions.ids, new_blocks, nearest)
    found: list[Rung] = []
    for number, (ladder, names) in enumerate(LADDERS):
        for place, name in enumerate(names):
            rows = (places[number] == place) & known(predictions.labels).any(axis=1)
            if rows.any():
                stream = number * _BASE + place
                found += _measured(predictions.where(rows), ladder, name, targets, new_blocks, bootstrap, stream)
    return tuple(found)


def _rungs(ids: NDArray[np.int64], new_blocks: NewBlocks, nearest: NDArray[np.float64]) -> list[NDArray[np.int8]]:
    """The rung of each molecule on each ladder, int8 [n]; -1 = on none."""
    all_blocks = new_blocks.of_molecules.of(ids)
    new = new_blocks.of(ids)
    by_number = (new != NO_BLOCK).sum(axis=1).astype(np.int8)
    without = (all_blocks == NO_BLOCK).all(axis=1)
    by_number[without] = _OTHER_LIBRARY
    similarity = np.append(nearest, 1.0)[new].min(axis=1)
    by_likeness = np.select([by_number == 0, similarity >= SAME_CLUSTER, similarity >= NOT_FAR], [0, 1, 2], 3)
    return [by_number, np.where(without, -1, by_likeness).astype(np.int8)]


def _measured(
    part: Predictions,
    ladder: Ladder,
    name: str,
    targets: Sequence[str],
    new_blocks: NewBlocks,
    bootstrap: BootstrapSettings,
    stream: int,
) -> list[Rung]:
    metrics: list[SliceMetrics] = []
    for index, target in enumerate(targets):
        _, labels, probabilities = part.of_target(index)
        metrics.append(slice_metrics(target, name, labels, probabilities))
    units = Units.of_blocks(new_blocks.of(part.ids), bootstrap.generator(_DEALING_STREAM, stream))
    existing = [index for index, one in enumerate(metrics) if not one.reason]
    counted = []
    for index in existing:
        rows, labels, probabilities = part.of_target(index)
        counted.append(ResampledSlice.count(labels, probabilities, units.of[rows], units.n, None))
    drawn = (
        resample_slices(
            counted,
            units,
            shares=(),
            recalls=(),
            n_samples=min(bootstrap.samples, _MOST_RESAMPLES),
            generator=bootstrap.generator(_DRAWING_STREAM, stream),
        )
        if existing
        else []
    )
    intervals = {
        index: (bootstrap.interval(one.average_precision), bootstrap.interval(one.roc_auc))
        for index, one in zip(existing, drawn, strict=True)
    }
    return [
        Rung(
            ladder,
            name,
            one.target,
            one.n,
            one.positives,
            one.average_precision,
            one.roc_auc,
            *intervals.get(index, (None, None)),
        )
        for index, one in enumerate(metrics)
    ]
