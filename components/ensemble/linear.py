"""Logistic regression on the bits of the fingerprint, one for each target."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression

from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN
from components.ensemble.library import Bits, Floats

_CHUNK: Final = 10_000
_ITERATIONS: Final = 300


class LinearFit(NamedTuple):
    """One weight for each bit.

    Attributes:
        weights: float32 [n_bits, n_targets].
        bias: float32 [n_targets].
    """

    weights: Floats
    bias: Floats


def sparse_bits(packed: Bits) -> csr_matrix:
    """Unpack bits, uint8 [n, n_bytes], to a sparse float32 [n, n_bits]."""
    columns, counts = [], []
    for start in range(0, len(packed), _CHUNK):
        rows, found = np.nonzero(np.unpackbits(packed[start : start + _CHUNK], axis=1))
        columns.append(found.astype(np.int32))
        counts.append(np.bincount(rows, minlength=min(_CHUNK, len(packed) - start)))
    indices = np.concatenate([*columns, np.empty(0, np.int32)])
    starts = np.concatenate([[0], np.cumsum(np.concatenate([*counts, np.empty(0, np.int64)]))])
    return csr_matrix((np.ones(len(indices), np.float32), indices, starts), shape=(len(packed), 8 * packed.shape[1]))


def fit_linear(bits: csr_matrix, binds: NDArray[np.int8], strengths: Sequence[float]) -> LinearFit:
    """Fit one regression for each target on its known labels.

    Args:
        bits: float32 [n, n_bits].
        binds: int8 [n, n_targets], labels.
        strengths: Inverse of the regularisation, scikit-learn's C, for each target.

    Returns:
        The weights; a target whose known labels are all equal has the log-odds of its share, and no weights.
    """
    weights, bias = np.zeros((bits.shape[1], binds.shape[1]), np.float32), np.zeros(binds.shape[1], np.float32)
    for target, strength in enumerate(strengths):
        known = binds[:, target] != LABEL_UNKNOWN
        labels = binds[known, target] == LABEL_POSITIVE
        if labels.all() or not labels.any():
            bias[target] = np.log((labels.sum() + 0.5) / ((~labels).sum() + 0.5))
            continue
        model = LogisticRegression(C=strength, max_iter=_ITERATIONS).fit(bits[known], labels)
        weights[:, target], bias[target] = model.coef_[0], model.intercept_[0]
    return LinearFit(weights, bias)


def score_linear(fit: LinearFit, bits: csr_matrix) -> Floats:
    """Log-odds of molecules, float32 [n, n_targets]."""
    return np.asarray(bits @ fit.weights + fit.bias, np.float32)
