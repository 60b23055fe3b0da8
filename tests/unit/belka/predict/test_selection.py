"""Where a list may end: the promise is kept on blocks that were held out, and nothing is promised without a reason."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit  # type: ignore[import-untyped]  # SciPy ships no types

from belka.predict.selection import CONFIDENCE, FEWEST_UNITS, lowest_score

Library = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int32]]
N_BLOCKS = 120


def library(seed: int, *, n: int = 4_800) -> Library:
    """Molecules of one new block each, a few of two: some blocks bind better than the model thinks, some worse."""
    generator = np.random.default_rng(seed)
    blocks = np.full((n, 3), -1, np.int32)
    blocks[:, 0] = generator.integers(0, N_BLOCKS, n)
    blocks[: n // 20, 1] = (blocks[: n // 20, 0] + 1 + generator.integers(0, N_BLOCKS - 1, n // 20)) % N_BLOCKS
    error = generator.normal(0, 1.0, N_BLOCKS)
    odds = generator.normal(-0.5, 4.0, n)
    return expit(odds).astype(np.float32), generator.random(n) < expit(odds + error[blocks[:, 0]]), blocks


def split(new_blocks: NDArray[np.int32], seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Molecules whose new blocks are all of the one half, and of the other."""
    half = np.zeros(N_BLOCKS + 1, np.bool_)
    half[np.random.default_rng(seed).permutation(N_BLOCKS)[: N_BLOCKS // 2]] = True
    first, second = (((new_blocks >= 0) & (half[new_blocks] == which)).any(axis=1) for which in (True, False))
    return first & ~second, second & ~first


@pytest.mark.parametrize("share", [0.8, 0.9])
def test_the_promise_is_kept_on_fifty_resplits_of_held_out_blocks_with_one_model(share: float) -> None:
    scores, hits, blocks = library(3)
    kept = selected = best = 0
    for seed in range(50):
        known, listed = split(blocks, seed)
        n_units = np.unique(blocks[listed]).size - 1
        end = lowest_score(scores[known], hits[known], blocks[known], share=share, n_units=n_units)
        chosen = hits[listed][scores[listed] >= end]
        kept += chosen.size == 0 or chosen.mean() >= share
        selected += chosen.size
        in_order = hits[listed][np.argsort(-scores[listed])]
        shares = np.cumsum(in_order) / np.arange(1, in_order.size + 1)
        best += int(np.flatnonzero(shares >= share)[-1]) + 1
    assert kept >= 41
    assert selected >= best / 2


def test_the_promise_is_kept_from_one_library_to_the_next() -> None:
    """Each time with other blocks, other errors of the model and other labels."""
    kept = 0
    for seed in range(60):
        scores, hits, blocks = library(100 + seed, n=2_400)
        known, listed = split(blocks, seed)
        end = lowest_score(scores[known], hits[known], blocks[known], share=0.9, n_units=N_BLOCKS // 2)
        chosen = hits[listed][scores[listed] >= end]
        kept += chosen.size == 0 or chosen.mean() >= 0.9
    assert kept >= 60 * CONFIDENCE - 7  # three standard deviations


def test_scores_that_say_nothing_promise_nothing() -> None:
    for seed in range(20):
        scores, _, blocks = library(seed, n=2_000)
        hits = np.random.default_rng(seed).random(2_000) < 0.5
        assert lowest_score(scores, hits, blocks, share=0.9, n_units=60) == np.inf


def test_a_few_binders_at_the_top_promise_nothing_and_many_do() -> None:
    scores = np.linspace(1, 0, 1_000, dtype=np.float32)
    blocks = np.full((1_000, 3), -1, np.int32)
    blocks[:, 2] = np.arange(1_000) % 100
    few, many = (np.arange(1_000) < number for number in (5, 500))
    assert lowest_score(scores, few, blocks, share=0.9, n_units=100) == np.inf
    end = lowest_score(scores, many, blocks, share=0.9, n_units=100)
    share = many[scores >= end].mean()
    assert 0.9 <= share < 0.97
    assert end < scores[500]


def test_too_few_blocks_promise_nothing() -> None:
    scores, hits, blocks = library(3)
    few = blocks[:, 0] < FEWEST_UNITS - 1
    alone = (blocks[:, 1] < 0) & few
    assert np.isfinite(lowest_score(scores, hits, blocks, share=0.8, n_units=60))
    assert lowest_score(scores[alone], hits[alone], blocks[alone], share=0.8, n_units=60) == np.inf
    assert lowest_score(scores[:0], hits[:0], blocks[:0], share=0.8, n_units=60) == np.inf


def test_a_list_of_fewer_blocks_is_less_sure_and_shorter() -> None:
    scores, hits, blocks = library(3)
    ends = [lowest_score(scores, hits, blocks, share=0.8, n_units=number) for number in (3, 60, 6_000)]
    assert ends == sorted(ends, reverse=True)
    assert ends[0] > ends[-1]


def test_molecules_of_one_block_are_less_sure_than_as_many_that_are_alone() -> None:
    scores, hits, blocks = library(3)
    alone = np.full_like(blocks, -1)
    ends = [
        lowest_score(scores, hits, units, share=0.9, n_units=n) for units, n in ((blocks, N_BLOCKS), (alone, 4_800))
    ]
    assert ends[0] > ends[1]


def test_molecules_of_one_score_stand_together_and_the_order_of_rows_says_nothing() -> None:
    scores, hits, blocks = library(5)
    scores = scores.round(1)
    end = lowest_score(scores, hits, blocks, share=0.8, n_units=60)
    assert end in np.unique(scores)
    order = np.random.default_rng(0).permutation(scores.size)
    assert lowest_score(scores[order], hits[order], blocks[order], share=0.8, n_units=60) == end
