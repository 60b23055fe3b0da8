"""Shrunken log-odds and their intervals, against SciPy's distributions and numbers computed by hand."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import logit  # type: ignore[import-untyped]
from scipy.stats import beta, betabinom  # type: ignore[import-untyped]

from belka.statistics.odds import MAX_WEIGHT, MIN_WEIGHT, Prior, posterior_odds, shrunken_odds

counts = st.lists(
    st.integers(0, 60).flatmap(lambda k: st.tuples(st.just(k), st.integers(0, k))), min_size=1, max_size=30
)


def test_log_odds_by_hand() -> None:
    # Prior Beta(1, 9); 3 of 10 bind: (1 + 3) / (9 + 7); 0 of 0: the mean.
    odds = posterior_odds(np.array([10, 0]), np.array([3, 0]), Prior(0.1, 10.0))
    assert odds.log_odds == pytest.approx(np.log([4 / 16, 1 / 9]))


@given(counts, st.sampled_from([0.5, 0.9, 0.95]))
def test_intervals_are_the_quantiles_of_the_posterior(pairs: list[tuple[int, int]], confidence: float) -> None:
    known, hits = (np.array(column) for column in zip(*pairs, strict=True))
    prior, odds = shrunken_odds(known, hits, confidence=confidence)
    posterior = beta(prior.mean * prior.weight + hits, (1 - prior.mean) * prior.weight + known - hits)
    assert odds.log_odds == pytest.approx(logit(posterior.mean()), abs=1e-9)
    low, high = posterior.interval(confidence)
    # Where SciPy's quantile is so near 1 that its log-odds lose digits, the upper tail tells.
    sure = (low > 1e-290) & (1 - high > 1e-6)
    assert odds.low[sure] == pytest.approx(logit(low[sure]), rel=1e-6, abs=1e-6)
    assert odds.high[sure] == pytest.approx(logit(high[sure]), rel=1e-6, abs=1e-6)
    assert np.isfinite(odds.low).all()
    assert np.isfinite(odds.high).all()
    assert (odds.low <= odds.high).all()


def test_the_upper_tail_keeps_its_digits() -> None:
    prior = Prior(0.5, 1.0)
    odds = posterior_odds(np.array([10**9]), np.array([10**9]), prior)
    upper = beta(0.5, 10**9 + 0.5)  # of the share of non-binders
    assert odds.low == pytest.approx([-logit(upper.ppf(0.975))], rel=1e-9)
    assert odds.high == pytest.approx([-np.log(upper.ppf(0.025))], rel=1e-9)


@example([(2, 0), (5, 0), (34, 15)])  # two maxima: 2.8 and 190
@given(counts)
def test_the_prior_maximises_the_marginal_likelihood(pairs: list[tuple[int, int]]) -> None:
    known, hits = (np.array(column) for column in zip(*pairs, strict=True))
    prior, _ = shrunken_odds(known, hits)
    assert prior.mean == pytest.approx((hits.sum() + 0.5) / (known.sum() + 1))
    assert MIN_WEIGHT <= prior.weight <= MAX_WEIGHT

    def likelihood(weight: float) -> float:
        return float(betabinom(known, prior.mean * weight, (1 - prior.mean) * weight).logpmf(hits).sum())

    best = max(likelihood(weight) for weight in np.geomspace(1.01, 0.99e6, 60))
    assert likelihood(prior.weight) >= best - 1e-3


def test_a_simulated_library_gives_its_prior_back_and_covers_its_probabilities() -> None:
    rng = np.random.default_rng(7)
    true = rng.beta(2.0, 98.0, 20_000)
    known = rng.integers(1, 200, true.size)
    hits = rng.binomial(known, true)
    prior, odds = shrunken_odds(known, hits, confidence=0.9)
    assert prior.mean == pytest.approx(0.02, rel=0.03)
    assert prior.weight == pytest.approx(100, rel=0.06)
    inside = (odds.low < logit(true)) & (logit(true) < odds.high)
    assert inside.mean() == pytest.approx(0.9, abs=0.008)


def test_odds_lie_between_the_mean_and_what_was_seen() -> None:
    known, hits = np.array([10, 10, 1000, 0]), np.array([0, 5, 500, 0])
    prior, odds = shrunken_odds(known, hits)
    assert odds.log_odds[0] < prior.log_odds
    assert abs(odds.log_odds[1] - prior.log_odds) < abs(logit(0.5) - prior.log_odds)
    assert abs(odds.log_odds[2]) <= abs(odds.log_odds[1])  # more molecules, less shrinkage
    assert odds.log_odds[3] == pytest.approx(prior.log_odds)


def test_without_labels_the_prior_is_that_of_jeffreys() -> None:
    prior, odds = shrunken_odds(np.zeros(3, np.int64), np.zeros(3, np.int64))
    assert prior == Prior(0.5, 1.0)
    assert odds.low == pytest.approx(logit(np.full(3, beta(0.5, 0.5).ppf(0.025))))


def test_nothing_gives_nothing() -> None:
    _, odds = shrunken_odds(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert odds.log_odds.size == odds.low.size == odds.high.size == 0
