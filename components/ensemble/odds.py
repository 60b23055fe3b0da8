"""What blocks and pairs of blocks say by themselves: log-odds of binding, smoothed over similar blocks.

Counts of molecules and hits by block and by pair of blocks are summed with weights: powers of the Tanimoto similarity,
so that a block that training never saw has the odds of those like it. Few molecules are shrunk to the mean of all.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from belka.contract import LABEL_NEGATIVE, LABEL_POSITIVE
from components.ensemble.kernel import Similarities
from components.ensemble.library import Codes, Floats

# A weight of 1 for the block itself; 0.1 for one of similarity 0.56 or 0.87.
POWERS: Final = (4, 16)
SHRINKAGE: Final = 2.0  # molecules at the mean of all
PER_TARGET: Final = 6 * len(POWERS)


class Counts(NamedTuple):
    """Molecules by block or pair of blocks: index 0 of the first axis those that do not bind, index 1 those that do.

    Attributes:
        first: float32 [2, n_targets, n_first].
        others: float32 [2, n_targets, n_others], both positions together.
        first_pairs: float32 [2, n_targets, n_first, n_others].
        other_pairs: float32 [2, n_targets, n_others, n_others], symmetric.
    """

    first: Floats
    others: Floats
    first_pairs: Floats
    other_pairs: Floats


def count_blocks(codes: Codes, binds: NDArray[np.int8], sizes: tuple[int, int]) -> Counts:
    """Count molecules.

    Args:
        codes: int32 [n, 3], see `make_library`.
        binds: int8 [n, n_targets], labels; unknown ones are not counted.
        sizes: Blocks in each table.
    """
    n_first, n_others = sizes
    first_pairs = np.zeros((2, binds.shape[1], n_first * n_others), np.float32)
    other_pairs = np.zeros((2, binds.shape[1], n_others, n_others), np.float32)
    a, b, c = codes.astype(np.int64).T
    for outcome, label in enumerate((LABEL_NEGATIVE, LABEL_POSITIVE)):
        for target in range(binds.shape[1]):
            rows = binds[:, target] == label
            for other in (b, c):
                first_pairs[outcome, target] += np.bincount((a * n_others + other)[rows], minlength=n_first * n_others)
            pairs = np.bincount((b * n_others + c)[rows], minlength=n_others**2).reshape(n_others, n_others)
            other_pairs[outcome, target] = pairs + pairs.T
    by_first: Floats = first_pairs.reshape(*first_pairs.shape[:2], n_first, n_others)
    # Each molecule is in two pairs with its first block, and in two with each of the others.
    return Counts(by_first.sum(axis=3) / 2, other_pairs.sum(axis=3), by_first, other_pairs)


def odds_features(counts: Counts, similarities: Similarities, codes: Codes) -> Floats:
    """Smoothed log-odds of molecules whose blocks are in the tables.

    Args:
        counts: Of the molecules that teach.
        similarities: Of the blocks.
        codes: int32 [n, 3], of the molecules.

    Returns:
        float32 [n, n_targets * PER_TARGET], target by target.
    """
    a, b, c = codes.T
    found = []
    prior = counts_prior(counts)
    for power in POWERS:
        first, others = raised(similarities.first, power), raised(similarities.others, power)
        singles = (
            log_odds(counts.first @ first, prior[:, :, None])[:, a],
            log_odds(counts.others @ others, prior[:, :, None]),
        )
        pairs = log_odds(first @ counts.first_pairs @ others, prior[:, :, None, None])
        both = log_odds(others @ counts.other_pairs @ others, prior[:, :, None, None])[:, b, c]
        found += [
            singles[0],
            *_sorted(singles[1][:, b], singles[1][:, c]),
            *_sorted(pairs[:, a, b], pairs[:, a, c]),
            both,
        ]
    return np.ascontiguousarray(np.stack(found, axis=1).transpose(2, 0, 1).reshape(len(codes), -1))


def log_odds(smoothed: Floats, prior: Floats) -> Floats:
    """Log-odds of smoothed counts.

    Args:
        smoothed: float32 [2, n_targets, ...].
        prior: float32 [2, n_targets, ...], shares of the outcomes among all, added `SHRINKAGE` times.

    Returns:
        float32 [n_targets, ...].
    """
    shrunk = smoothed + np.float32(SHRINKAGE) * prior
    odds: Floats = np.log(shrunk[1] / shrunk[0])
    return odds


def counts_prior(counts: Counts) -> Floats:
    """Shares of the outcomes among the molecules with a known label, never 0."""
    total = counts.first.sum(axis=2) + np.float32(0.5)
    prior: Floats = total / total.sum(axis=0)
    return prior


def raised(similarities: Any, power: int) -> Any:
    """A power of 2 of an array or tensor: by squaring, which numpy and TensorFlow round alike."""
    for _ in range(power.bit_length() - 1):
        similarities = similarities * similarities
    return similarities


def _sorted(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    return np.minimum(left, right), np.maximum(left, right)
