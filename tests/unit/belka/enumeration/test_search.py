"""The best products by bounds are those of scoring every product."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

from made_up_rows import every_product, made_up  # type: ignore[import-not-found]

from belka.enumeration import search
from belka.enumeration.library import ProductLibrary
from belka.enumeration.linear import LinearScorer
from belka.enumeration.pairs import PairScorer
from belka.enumeration.search import Scorer, best_products
from belka.errors import InputError

N_BITS = 64
SIZES = st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(0, 6), st.integers(0, 6))


def best_of_all(scores: NDArray[np.float64], products: NDArray[np.int64], count: int) -> list[tuple[float, list[int]]]:
    """Every product sorted by score, then by places, up to number `count` and those of equal score."""
    ranked = sorted(zip((-scores).tolist(), products.tolist(), strict=True))
    return [(-score, places) for score, places in ranked if score <= ranked[min(count, len(ranked)) - 1][0]]


def check(scorer: Scorer, scores: NDArray[np.float64], products: NDArray[np.int64], count: int) -> None:
    best = best_products(scorer, count)
    found = list(zip(best.scores.tolist(), best.molecules.tolist(), strict=True))
    expected = best_of_all(scores, products, count)
    assert found == expected
    assert best.counts.products == len(products) == scorer.library.size
    assert len(found) <= best.counts.opened <= len(products)


@given(SIZES, st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([0.02, 0.2, 0.6]), st.booleans())
def test_linear_scores_of_unions_of_bits(
    sizes: tuple[int, int, int, int], seed: int, count: int, share: float, coarse: bool
) -> None:
    library, rows = made_up(sizes, N_BITS, seed, share=share)
    weights = np.random.default_rng(seed).normal(size=N_BITS).astype(np.float32)
    if coarse:  # equal scores, and weights of which most are 0
        weights = np.round(weights)
    scorer = LinearScorer(library, rows, weights, 0.5)
    products = every_product(library)
    a, b, c = products.T
    kinds = np.sort(np.stack([rows.first_kinds[a], rows.amine_kinds[b], rows.amine_kinds[c]], axis=1), axis=1)
    cores = np.stack([rows.cores[tuple(kind)] for kind in kinds.tolist()])
    bits = np.unpackbits(rows.first[a] | rows.amines[b] | rows.amines[c] | cores, axis=1)
    # Summed term by term as the scorer's documentation says: a score has one value whatever is beside it.
    scores = np.array([np.where(row, weights.astype(np.float64), 0.0).sum() for row in bits]) + 0.5
    check(scorer, scores, products, count)


@given(SIZES, st.integers(0, 10**6), st.integers(1, 40), st.booleans())
def test_odds_of_pairs(sizes: tuple[int, int, int, int], seed: int, count: int, coarse: bool) -> None:
    library, _ = made_up(sizes, N_BITS, seed)
    generator = np.random.default_rng(seed)
    n_first, n_amines = len(library.first), len(library.amines)
    with_first, of_amines = generator.normal(size=(n_first, n_amines)), generator.normal(size=(n_amines, n_amines))
    if coarse:
        with_first, of_amines = np.round(with_first), np.round(of_amines)
    of_amines = np.triu(of_amines) + np.triu(of_amines, 1).T
    products = every_product(library)
    scores = np.array([with_first[a, b] + with_first[a, c] + of_amines[b, c] for a, b, c in products])
    check(PairScorer(library, with_first, of_amines), scores, products, count)


def larger() -> tuple[ProductLibrary, LinearScorer, NDArray[np.int64]]:
    library, rows = made_up((40, 60, 20, 30), 512, 3, kinds=3, share=0.05)
    weights = np.random.default_rng(3).normal(size=512, scale=0.3).astype(np.float32)
    return library, LinearScorer(library, rows, weights, -2.0), every_product(library)


def test_most_products_are_never_scored() -> None:
    library, scorer, products = larger()
    best = best_products(scorer, 10)
    assert best.scores.tolist() == sorted(scorer.exact(products), reverse=True)[:10]
    counts = best.counts
    assert counts.opened < 0.2 * library.size
    assert counts.bounded == library.size - counts.opened
    assert counts.heads_opened < counts.heads == 40 * 9
    assert counts.amines_opened < counts.amines


def test_without_the_table_of_shared_weights_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    _, scorer, _ = larger()
    monkeypatch.setattr("belka.enumeration.linear._MOST_AMINES", 5)
    _, other, _ = larger()
    assert other._shared_weights is None
    assert scorer._shared_weights is not None
    assert best_products(scorer, 50).molecules.tolist() == best_products(other, 50).molecules.tolist()


def test_a_tolerance_gives_all_whose_score_is_as_near() -> None:
    _, scorer, products = larger()
    scores = np.sort(scorer.exact(products))[::-1]
    best = best_products(scorer, 10, tolerance=0.3)
    assert best.scores.tolist() == scores[scores >= scores[9] - 0.3].tolist()
    assert len(best.scores) > 10


def test_scores_that_tell_nothing_apart_end_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    library, rows = made_up((5, 20, 0, 0), N_BITS, 0)
    monkeypatch.setattr(search, "_MOST_KEPT", 100)
    with pytest.raises(InputError, match="Too many products have nearly the same score"):
        best_products(LinearScorer(library, rows, np.zeros(N_BITS, np.float32), 0.0), 10)


def test_more_than_there_are_gives_all() -> None:
    library, rows = made_up((2, 3, 1, 0), N_BITS, 0)
    assert (
        len(best_products(LinearScorer(library, rows, np.ones(N_BITS, np.float32), 0.0), 1000).scores) == library.size
    )
