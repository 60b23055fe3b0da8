"""Every product of a made library scored by its composed fingerprint, as a comparison that uses no bound."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from belka.enumeration.block_rows import BlockRows

_SETTLED: Final = 8  # first blocks after which what is no longer wanted is dropped
_CLOSE: Final = 1e-9


def best_of_all(
    rows: BlockRows, size: int, weights: NDArray[np.float32], bias: float, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Score size ** 3 products: OR of the bytes of their rows, a table of 256 partial sums for each byte.

    Args:
        rows: Of the library: `size` first blocks, and twice as many amines, the second half of them for position 3.
        size: Blocks of each position.
        weights: float32 [n_bits].
        bias: Added to every score.
        count: How many of the best are wanted.

    Returns:
        Places of the blocks, int64 [n, 3], and scores, float64 [n], in no order: the best, and all within rounding of
        the last of them.
    """
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float64)
    tables = [bits @ part for part in weights.astype(np.float64).reshape(-1, 8)]
    pairs = rows.amines[:size, None] | rows.amines[None, size:]
    kinds = rows.amine_kinds[:size, None], rows.amine_kinds[None, size:]
    n_kinds = int(rows.amine_kinds.max()) + 1
    molecules, scores, least = [np.empty((0, 3), np.int64)], [np.empty(0)], -np.inf
    for first in range(size):
        own = np.stack([[_own(rows, first, i, j) for j in range(n_kinds)] for i in range(n_kinds)])
        whole = pairs | own[kinds]
        found = np.full((size, size), bias)
        for byte, table in enumerate(tables):
            found += table[whole[:, :, byte]]
        second, third = np.nonzero(found >= least)
        molecules.append(np.column_stack([np.full(len(second), first), second, size + third]))
        scores.append(found[second, third])
        if first % _SETTLED == _SETTLED - 1 or first == size - 1:
            together, products = np.concatenate(scores), np.concatenate(molecules)
            least = np.sort(together)[-min(count, len(together))] - _CLOSE
            molecules, scores = [products[together >= least]], [together[together >= least]]
    return molecules[0], scores[0]


def _own(rows: BlockRows, first: int, second_kind: int, third_kind: int) -> NDArray[np.uint8]:
    kinds = sorted((int(rows.first_kinds[first]), second_kind, third_kind))
    packed: NDArray[np.uint8] = rows.first[first] | rows.cores[kinds[0], kinds[1], kinds[2]]
    return packed
