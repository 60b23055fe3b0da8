"""Logistic regression whose weights have a lower bound: what orders molecules keeps their order."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]  # SciPy ships no types
from scipy.special import expit  # type: ignore[import-untyped]  # SciPy ships no types


def fit_bounded_logistic(
    columns: NDArray[np.floating], hits: NDArray[np.float64], *, ridge: float, least: float = 0.0
) -> tuple[NDArray[np.float64], float]:
    """Fit log-odds = columns @ weights + offset.

    Args:
        columns: Float [n, k], finite, n at least 1.
        hits: float64 [n], what the probability of each row should be, from 0 to 1; not all 0, not all 1.
        ridge: Weight of the squared weights, each per standard deviation of its column, beside the mean loss.
        least: What no weight falls below.

    Returns:
        Weights, float64 [k]; offset.

    Source: Byrd et al.: A limited memory algorithm for bound constrained optimization (L-BFGS-B), SIAM J. Sci. Comput.
        16, 1190 (1995).
    """
    x = columns.astype(np.float64)
    spread = x.std(axis=0) + 1e-12
    prior = np.log((hits.sum() + 0.5) / (len(hits) - hits.sum() + 0.5))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, offset = parameters[:-1], parameters[-1]
        odds = x @ (weights / spread) + offset
        wrong = expit(odds) - hits
        value = np.mean(np.logaddexp(0.0, odds) - hits * odds) + ridge * weights @ weights
        gradient = np.append(x.T @ wrong / len(x) / spread + 2 * ridge * weights, wrong.mean())
        return float(value), gradient

    start = np.append(least * spread, prior)
    bounds = [*((least * each, None) for each in spread), (None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:-1] / spread, float(found[-1])
