"""A linear score of fingerprints that are unions of rows of blocks, with the bounds that `search` wants.

With the first block's bits and the core's set, an amine b adds the weights of its further bits, and two amines b and c
both add the weights of the bits that they share once instead of twice:

    score = bias + w(A) + w(B - A) + w(C - A) - w((B & C) - A)

The last term is at most what the negative weights of either's further bits sum up to.
"""

import itertools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belka.enumeration.block_rows import BlockRows
from belka.enumeration.library import Places, ProductLibrary
from belka.enumeration.search import Floats, Head, Side, bound_of

_CHUNK: Final = 4_096  # products whose bits are unpacked at a time
_MOST_AMINES: Final = 6_000  # whose shared weights are kept, 8 bytes for each pair


class LinearScorer:
    """Scores of one target.

    Args:
        library: The blocks.
        rows: Their bits.
        weights: float32 [n_bits].
        bias: Added to every score.

    Attributes:
        library: The blocks.
        size: Sum of the largest weights that a product can have.
    """

    def __init__(self, library: ProductLibrary, rows: BlockRows, weights: NDArray[np.float32], bias: float) -> None:
        self.library, self._rows = library, rows
        self._weights, self._bias = weights.astype(np.float64), float(bias)
        first, amines = (np.unpackbits(each, axis=1, count=len(weights)) for each in (rows.first, rows.amines))
        self._bits = np.ascontiguousarray(amines.T.astype(np.float64))  # [n_bits, n_amines]
        self._second, self._third = (
            {int(kind): places[rows.amine_kinds[places] == kind] for kind in np.unique(rows.amine_kinds[places])}
            for places in (library.second, library.third)
        )
        pairs = list(itertools.product(self._second, self._third))
        self._heads = [(first, *kinds) for kinds in pairs for first in range(len(library.first))]
        self._lost = {kinds: self._negative(self._second[kinds[0]], self._third[kinds[1]]) for kinds in pairs}
        self._sums = self._weights @ self._bits
        self._lost_sums = {kinds: lost @ self._bits for kinds, lost in self._lost.items()}
        self._shared_weights: Floats | None = None
        if len(library.amines) <= _MOST_AMINES:
            self._shared_weights = (self._bits.T * self._weights) @ self._bits
        most = (first @ abs(self._weights)).max() + 2 * (abs(self._weights) @ self._bits).max()
        self.size = float(1.0 + abs(self._bias) + most)

    def _negative(self, second: Places, third: Places) -> Floats:
        """Sizes of the negative weights of bits that some amine of either position has, float64 [n_bits]."""
        shared = self._bits[:, second].any(axis=1) & self._bits[:, third].any(axis=1)
        lost: Floats = np.where(shared, np.maximum(-self._weights, 0.0), 0.0)
        return lost

    def bounds(self) -> Floats:
        """A bound of the scores of each head, float64 [n_heads]."""
        found = (self.head(number) for number in range(len(self._heads)))
        return np.array([bound_of(head.base, head.second, head.third) for head in found])

    def head(self, number: int) -> Head:
        """A first block with amines of two kinds; the bits of their kind of core count as the block's."""
        first, *kinds = self._heads[number]
        own, lost = self._own(number), self._lost[kinds[0], kinds[1]]
        values = self._sums - self._weights[own] @ self._bits[own]
        # What is left of a sum of which all terms were taken away may be below 0 by a rounding.
        slack = np.maximum(self._lost_sums[kinds[0], kinds[1]] - lost[own] @ self._bits[own], 0.0)
        second, third = self._second[kinds[0]], self._third[kinds[1]]
        return Head(
            number,
            first,
            self._bias + float(self._weights[own].sum()),
            Side(second, values[second], slack[second]),
            Side(third, values[third], slack[third]),
        )

    def joint(self, head: Head, second: Places, third: Places) -> Floats:
        """What pairs of amines lose because they share bits, float64 [n_second, n_third]."""
        own = self._own(head.number)
        if self._shared_weights is None:
            shared = (self._bits[:, second].T * self._weights) @ self._bits[:, third]
        else:
            shared = self._shared_weights[np.ix_(second, third)]
        of_own = self._bits[own]
        lost: Floats = (of_own[:, second].T * self._weights[own]) @ of_own[:, third] - shared
        return lost

    def exact(self, molecules: NDArray[np.int64]) -> Floats:
        """Scores of single products, float64 [n], of places of their blocks, int64 [n, 3]."""
        found = [np.empty(0)]
        for start in range(0, len(molecules), _CHUNK):
            packed = self._rows.packed(molecules[start : start + _CHUNK])
            bits = np.unpackbits(packed, axis=1, count=len(self._weights))
            found.append(np.where(bits, self._weights, 0.0).sum(axis=1) + self._bias)
        return np.concatenate(found)

    def _own(self, number: int) -> Places:
        """Numbers of the bits that all products of a head have."""
        first, *kinds = self._heads[number]
        core = self._rows.cores[tuple(sorted((int(self._rows.first_kinds[first]), *kinds)))]  # type: ignore[index]
        return np.flatnonzero(np.unpackbits(self._rows.first[first] | core, count=len(self._weights)))
