"""Ridge regression with a kernel between molecules: the product of kernels between their blocks.

Of two molecules (a, b, c) and (a', b', c') it is k(a, a') (k(b, b') k(c, c') + k(b, c') k(c, b')), symmetric in the two
positions in which a library is. k is the Tanimoto similarity plus an offset, so that the product holds what single
blocks and pairs of blocks say as well as the whole molecule. Some molecules, the landmarks, carry the weights
(Nyström's method), and a round of holding out takes the held-out molecules' part away from the sums of all.

Sources: Ralaivola et al., Graph kernels for chemical informatics, Neural Networks 18, 1093 (2005); Williams, Seeger:
Using the Nyström method to speed up kernel machines, NIPS 2000.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve  # type: ignore[import-untyped]

from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN
from components.ensemble.library import Codes, Floats

_CHUNK: Final = 1_000  # molecules; their kernels with 1,500 landmarks take 6 MB
# Sums of multiples of its inverse, and their differences, are exact: of a label that is taken away no trace stays.
_EXACT: Final = np.float32(2**22)
_JITTER: Final = 1e-3  # keeps the sums positive definite where landmarks are nearly equal


class Similarities(NamedTuple):
    """Tanimoto similarities of the training blocks among one another.

    Attributes:
        first: float32 [n_first, n_first].
        others: float32 [n_others, n_others].
    """

    first: Floats
    others: Floats


class KernelFit(NamedTuple):
    """Weights of the landmarks.

    Attributes:
        weights: float32 [n_landmarks, n_targets].
        bias: float32 [n_targets].
    """

    weights: Floats
    bias: Floats


class KernelSums:
    """The sums over molecules that the weights are computed from.

    Args:
        codes: int32 [n, 3], see `make_library`.
        binds: int8 [n, n_targets], labels.
        landmarks: int32 [n_landmarks, 3], codes of the landmarks.
        similarities: Of the blocks.
        offset: Added to each similarity.
    """

    def __init__(
        self, codes: Codes, binds: NDArray[np.int8], landmarks: Codes, similarities: Similarities, offset: float
    ) -> None:
        self._codes, self._binds = codes, binds
        self._tables = tuple(
            np.ascontiguousarray((table[:, landmarks[:, column]] + np.float32(offset)) / np.float32(1 + offset))
            for table, column in (
                (similarities.first, 0),
                (similarities.others, 1),
                (similarities.others, 2),
            )
        )
        self._penalty = self.kernel(landmarks).astype(np.float64)
        everyone = np.arange(len(codes))
        self._all = [self._sums(everyone, target) for target in range(binds.shape[1])]

    def kernel(self, codes: Codes) -> Floats:
        """Kernel of molecules with the landmarks, float32 [n, n_landmarks]."""
        first, second, third = self._tables
        found = np.empty((len(codes), first.shape[1]), np.float32)
        for start in range(0, len(codes), _CHUNK):
            a, b, c = codes[start : start + _CHUNK].T
            found[start : start + _CHUNK] = first[a] * (second[b] * third[c] + third[b] * second[c])
        return found

    def fit(self, penalty: float, without: NDArray[np.bool_] | None = None) -> KernelFit:
        """Compute the weights.

        Args:
            penalty: Of the squared norm.
            without: bool [n], molecules that are left out.
        """
        fits = []
        for target, everyone in enumerate(self._all):
            left = everyone if without is None else everyone.minus(self._sums(np.flatnonzero(without), target))
            fits.append(left.solve(self._penalty, penalty))
        return KernelFit(np.stack([weights for weights, _ in fits], axis=1), np.array([b for _, b in fits], np.float32))

    def score(self, fit: KernelFit, codes: Codes) -> Floats:
        """Scores of molecules, float32 [n, n_targets]."""
        parts = (self.kernel(codes[start : start + _CHUNK]) @ fit.weights for start in range(0, len(codes), _CHUNK))
        return np.concatenate([*parts, np.empty((0, fit.weights.shape[1]), np.float32)]) + fit.bias

    def _sums(self, rows: NDArray[np.int64], target: int) -> "_Sums":
        labels = self._binds[rows, target]
        rows, labels = rows[labels != LABEL_UNKNOWN], labels[labels != LABEL_UNKNOWN]
        size = self._tables[0].shape[1]
        gram, hits, total = np.zeros((size, size)), np.zeros(size), np.zeros(size)
        for part in _chunks(len(rows), 10 * _CHUNK):
            kernel, is_hit = self.kernel(self._codes[rows[part]]), labels[part] == LABEL_POSITIVE
            gram += kernel.T @ kernel
            hits += np.rint(kernel[is_hit] * _EXACT).sum(axis=0, dtype=np.float64) / _EXACT
            total += kernel.sum(axis=0, dtype=np.float64)
        return _Sums(gram, hits, total, len(rows), int((labels == LABEL_POSITIVE).sum()))


class _Sums(NamedTuple):
    """Of the molecules with a known label of one target: their number, hits, and sums of kernels."""

    gram: NDArray[np.float64]
    hits: NDArray[np.float64]
    total: NDArray[np.float64]
    known: int
    positives: int

    def minus(self, other: "_Sums") -> "_Sums":
        return _Sums(
            self.gram - other.gram,
            self.hits - other.hits,
            self.total - other.total,
            self.known - other.known,
            self.positives - other.positives,
        )

    def solve(self, kernel: NDArray[np.float64], penalty: float) -> tuple[Floats, float]:
        mean = self.positives / max(self.known, 1)
        if self.positives in {0, self.known}:
            return np.zeros(len(self.hits), np.float32), mean
        system = self.gram + penalty * kernel
        system.flat[:: len(system) + 1] += _JITTER
        weights = solve(system, self.hits - mean * self.total, assume_a="pos", overwrite_a=True, check_finite=False)
        return weights.astype(np.float32), mean


def _chunks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
