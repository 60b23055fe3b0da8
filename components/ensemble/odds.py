"""What blocks and pairs of blocks say by themselves: log-odds of binding, smoothed over similar blocks.

Counts of molecules and hits by block and by pair of blocks are summed with weights: powers of the Tanimoto similarity,
so that a block that training never saw has the odds of those like it. Few molecules are shrunk to the mean of all, and
beside each log-odds is the logarithm of how many molecules it rests on, which tells new blocks from known ones.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]

from belka.contract import LABEL_NEGATIVE, LABEL_POSITIVE
from components.ensemble.kernel import Similarities
from components.ensemble.library import Codes, Floats

# A weight of 1 for the block itself; 0.1 for one of similarity 0.56 or 0.87.
POWERS: Final = (4, 16)
SHRINKAGE: Final = 2.0  # molecules at the mean of all
PER_TARGET: Final = 12 * len(POWERS)
_CHUNK: Final = 4_096  # molecules; their similarities to 1,100 blocks take 18 MB


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
    found = []
    prior = counts_prior(counts)[:, :, None, None]
    for power in POWERS:
        tables = (raised(similarities.first, power), raised(similarities.others, power))
        smoothed = _smoothed(counts, *tables, codes)
        for values in (log_odds(smoothed, prior), support(smoothed)):
            found += [
                values[:, 0],
                *_sorted(values[:, 1], values[:, 2]),
                *_sorted(values[:, 3], values[:, 4]),
                values[:, 5],
            ]
    return np.ascontiguousarray(np.stack(found, axis=1).transpose(2, 0, 1).reshape(len(codes), -1))


def _smoothed(counts: Counts, first: Floats, others: Floats, codes: Codes) -> Floats:
    """Smoothed counts, float32 [2, n_targets, 6, n]: of the three blocks, the two pairs with the first, the third."""
    n_targets = counts.first.shape[1]
    found = np.empty((2, n_targets, 6, len(codes)), np.float32)
    for outcome, target in np.ndindex(2, n_targets):
        mine = found[outcome, target]
        alone = first @ counts.first[outcome, target], others @ counts.others[outcome, target]
        # Nearly all pairs have no molecule.
        with_first = (csr_matrix(counts.first_pairs[outcome, target].T) @ first).T
        with_other = (csr_matrix(counts.other_pairs[outcome, target]) @ others).T
        for start in range(0, len(codes), _CHUNK):
            rows = slice(start, start + _CHUNK)
            a, b, c = codes[rows].T
            mine[0, rows], mine[1, rows], mine[2, rows] = alone[0][a], alone[1][b], alone[1][c]
            joined, third = with_first[a], others[c]
            mine[3, rows] = np.einsum("ij,ij->i", joined, others[b])
            mine[4, rows] = np.einsum("ij,ij->i", joined, third)
            mine[5, rows] = np.einsum("ij,ij->i", with_other[b], third)
    return found


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


def support(smoothed: Floats) -> Floats:
    """log1p of smoothed molecules, float32 [n_targets, ...], of counts as `log_odds` takes them."""
    sums: Floats = np.log1p(smoothed[0] + smoothed[1])
    return sums


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
