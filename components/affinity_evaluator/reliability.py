"""How far a model's probabilities are from what is observed, before and after its calibration.

The calibration that a model serves was learnt on the validation molecules, and so cannot be judged on them. What is
judged is the same calibration learnt from other molecules: new blocks are dealt to ten folds, the molecules of each
fold are judged with the calibration of the molecules that have no block of it. Where no block is new, molecules are
dealt. Molecules with new blocks of two folds are learnt from and not judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss

from belka.hashing import splitmix64
from belka.models.calibration import Calibration, fit_calibration, log_odds, probabilities_of
from components.affinity_evaluator.block_ids import NO_BLOCK, BlockIds
from components.affinity_evaluator.calibration import CalibrationBin, calibration_bins
from components.affinity_evaluator.predictions import Predictions, known

# Of few folds each lacks blocks that matter, and the calibration looks worse than the one that learns from all.
N_FOLDS: Final = 10
# More molecules tell no more: of more, as many evenly spaced ones are measured, which bounds time and memory.
MOST_MOLECULES: Final = 1 << 20
_DEAL: Final = 17  # a step of the hash that nothing else deals with


@dataclass(frozen=True)
class ReliabilityFigures:
    """How far probabilities are from observed shares.

    Attributes:
        mean_predicted: Mean probability; the share of binders, where all is well.
        brier: Mean squared error.
        log_loss: Mean cross-entropy, in nats.
        expected_error: Distance of predicted and observed share, the mean over ten bins of about equally many
            molecules.
        bins: Those bins.
    """

    mean_predicted: float
    brier: float
    log_loss: float
    expected_error: float
    bins: tuple[CalibrationBin, ...]


@dataclass(frozen=True)
class Reliability:
    """Of one target.

    Attributes:
        target: Target name.
        slope: What the served calibration multiplies log-odds by; None where the model has no calibration.
        offset: What it adds; likewise.
        n: Molecules that both figures are measured on.
        positives: Binders among them.
        before: Of the model's own probabilities; None where there are not both labels.
        after: Calibrated by what other molecules tell; None there, and where the model has no calibration.
    """

    target: str
    slope: float | None
    offset: float | None
    n: int
    positives: int
    before: ReliabilityFigures | None
    after: ReliabilityFigures | None


def measure_reliability(
    predictions: Predictions,
    targets: Sequence[str],
    calibration: Calibration | None,
    new_blocks: BlockIds | None,
    seed: int,
) -> tuple[Reliability, ...]:
    """Measure the probabilities of each target before and after calibration.

    Args:
        predictions: Probabilities as served.
        targets: Target names.
        calibration: What the model does to its log-odds; None = nothing.
        new_blocks: int32 [n, 3], the new blocks of each molecule, see `NewBlocks.of`; None = not known.
        seed: Of the folds.
    """
    if len(predictions.ids) > MOST_MOLECULES:
        kept = np.zeros(len(predictions.ids), np.bool_)
        kept[np.linspace(0, kept.size - 1, MOST_MOLECULES).astype(np.int64)] = True
        predictions, new_blocks = predictions.where(kept), None if new_blocks is None else new_blocks[kept]
    served = log_odds(predictions.probabilities)
    before = served if calibration is None else calibration.undone(served)
    folds = deal_to_folds(predictions.ids, new_blocks, seed)
    judged = (folds.max(axis=1) == np.where(folds < 0, N_FOLDS, folds).min(axis=1)) & np.isfinite(served).all(axis=1)
    after = np.full(served.shape, np.nan)
    for fold in range(N_FOLDS) if calibration else ():
        inside = (folds == fold).any(axis=1)
        learnt = fit_calibration(before[~inside], predictions.labels[~inside])
        after[inside] = learnt.applied(before[inside])
    found = []
    for index, target in enumerate(targets):
        rows = judged & known(predictions.labels[:, index])
        labels = predictions.labels[rows, index]
        found.append(
            Reliability(
                target,
                calibration.slopes[index] if calibration else None,
                calibration.offsets[index] if calibration else None,
                labels.size,
                int(labels.sum(dtype=np.int64)),
                _figures(labels, before[rows, index]),
                _figures(labels, after[rows, index]) if calibration else None,
            )
        )
    return tuple(found)


def deal_to_folds(ids: NDArray[np.int64], new_blocks: BlockIds | None, seed: int) -> NDArray[np.int8]:
    """The folds of the new blocks of each molecule, int8 [n, 3]; -1 = no new block; a molecule without any has its own.

    Args:
        ids: int64 [n], molecule ids.
        new_blocks: See `measure_reliability`.
        seed: Another seed deals otherwise.
    """
    own = (splitmix64(ids + (seed << 32), _DEAL) % np.uint64(N_FOLDS)).astype(np.int8)
    blocks = np.full((ids.size, 3), NO_BLOCK, np.int32) if new_blocks is None else new_blocks
    folds = (splitmix64(blocks.astype(np.int64) + (seed << 32), _DEAL + 1) % np.uint64(N_FOLDS)).astype(np.int8)
    folds[blocks == NO_BLOCK] = -1
    alone = (folds < 0).all(axis=1)
    folds[alone, 0] = own[alone]
    return folds


def _figures(labels: NDArray[np.int8], odds: NDArray[np.float64]) -> ReliabilityFigures | None:
    if not labels.size or labels.min() == labels.max():
        return None
    probabilities = probabilities_of(odds)
    bins = calibration_bins(labels, probabilities)
    return ReliabilityFigures(
        float(probabilities.mean(dtype=np.float64)),
        float(brier_score_loss(labels, probabilities)),
        float(log_loss(labels, probabilities.astype(np.float64))),
        sum(each.n * abs(each.predicted - each.observed) for each in bins) / labels.size,
        bins,
    )
