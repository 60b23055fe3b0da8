"""Log-odds of binding, shrunk towards the mean of a position by an empirical Beta prior, with an interval.

Of the k molecules of known label with a block, h bind. Over the blocks of a position (or the pairs of two positions)
h is binomial with a probability of its own for each block, and these probabilities follow Beta(m s, (1 - m) s):

- m, their mean, is (H + 1/2) / (K + 1), where H and K are the sums of h and k over the position;
- s, the weight of the prior in molecules, maximises the marginal (beta-binomial) likelihood of all h. It is at least
  1, the weight of Jeffreys' prior Beta(1/2, 1/2), and at most `MAX_WEIGHT`, where every block has the mean.

A block's probability then has the posterior Beta(m s + h, (1 - m) s + k - h). Its log-odds are those of the posterior
mean, log((m s + h) / ((1 - m) s + k - h)); its interval is between two quantiles of the posterior with equal tails.
The interval does not know that m and s are estimates themselves; on many blocks that hardly matters.

Sources: J. G. Skellam, Journal of the Royal Statistical Society B 10 (1948) 257-261, for the distribution; G. Casella,
The American Statistician 39 (1985) 83-87, for empirical Bayes; L. D. Brown, T. T. Cai and A. DasGupta, Statistical
Science 16 (2001) 101-133, for Jeffreys' prior and its quantiles.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]
from scipy.special import betainccinv, betaincinv, betaln  # type: ignore[import-untyped]

MIN_WEIGHT: Final = 1.0
MAX_WEIGHT: Final = 1e6
CONFIDENCE: Final = 0.95
_GRID: Final = 57  # weights looked at first, four to each e-fold
# Where a quantile is 0 in floating point, its log-odds would be infinite.
_LEAST: Final = float(np.finfo(np.float64).tiny)

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """The Beta distribution of the probabilities of one position's blocks.

    Attributes:
        mean: Its mean, in (0, 1).
        weight: How many molecules it counts for.
    """

    mean: float
    weight: float

    @property
    def log_odds(self) -> float:
        """The log-odds of the mean, towards which those of blocks are shrunk."""
        return float(np.log(self.mean) - np.log1p(-self.mean))


@dataclass(frozen=True)
class Odds:
    """Shrunken log-odds with their interval, float64[n] each."""

    log_odds: Floats
    low: Floats
    high: Floats


def shrunken_odds(known: Counts, hits: Counts, *, confidence: float = CONFIDENCE) -> tuple[Prior, Odds]:
    """Fit the prior of one position and one target, and give each block its log-odds.

    Args:
        known: Molecules of known label with each block, int64[n], at least 0.
        hits: Those among them that bind, int64[n], between 0 and `known`.
        confidence: Probability between the ends of the interval, in (0, 1).
    """
    # Blocks of equal counts have equal odds, and there are far fewer counts than pairs of blocks.
    base = int(hits.max(initial=0)) + 1
    distinct, place, number = np.unique(known * base + hits, return_inverse=True, return_counts=True)
    known_once, hits_once = np.divmod(distinct, base)
    prior = fit_prior(known_once, hits_once, number)
    odds = posterior_odds(known_once, hits_once, prior, confidence=confidence)
    return prior, Odds(odds.log_odds[place], odds.low[place], odds.high[place])


def fit_prior(known: Counts, hits: Counts, number: Counts) -> Prior:
    """Fit the prior by its marginal likelihood; see the top of this file.

    Args:
        known: Known labels, int64[n].
        hits: Hits, int64[n].
        number: How many blocks have these counts, int64[n].
    """
    mean = (float(hits @ number) + 0.5) / (float(known @ number) + 1.0)
    some = known > 0
    if not some.any():
        return Prior(mean, MIN_WEIGHT)
    k, h, weights = known[some].astype(np.float64), hits[some].astype(np.float64), number[some].astype(np.float64)

    def loss(log_weight: float) -> float:
        alpha, beta = mean * np.exp(log_weight), (1.0 - mean) * np.exp(log_weight)
        return -float(weights @ (betaln(alpha + h, beta + k - h) - betaln(alpha, beta)))

    # Few blocks can give two maxima, of which a search from the middle finds either.
    grid = np.linspace(np.log(MIN_WEIGHT), np.log(MAX_WEIGHT), _GRID)
    nearest = int(np.argmin([loss(each) for each in grid]))
    bounds = (grid[max(nearest - 1, 0)], grid[min(nearest + 1, _GRID - 1)])
    best = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return Prior(mean, float(np.exp(best.x)))


def posterior_odds(known: Counts, hits: Counts, prior: Prior, *, confidence: float = CONFIDENCE) -> Odds:
    """Log-odds of the posterior mean and of two quantiles of the posterior.

    Args:
        known: Known labels, int64[n].
        hits: Hits, int64[n].
        prior: Of their position.
        confidence: Probability between the quantiles, in (0, 1).
    """
    alpha = prior.mean * prior.weight + hits
    beta = (1.0 - prior.mean) * prior.weight + (known - hits)
    tail = (1.0 - confidence) / 2.0
    low, high = (
        # The complement from its own function: 1 - x would be 0 where x is nearly 1.
        _log(betaincinv(alpha, beta, p)) - _log(betainccinv(beta, alpha, p))
        for p in (tail, 1.0 - tail)
    )
    return Odds(np.log(alpha) - np.log(beta), low, high)


def _log(values: Floats) -> Floats:
    return np.log(np.maximum(values, _LEAST))
