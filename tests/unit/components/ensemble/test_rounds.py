"""Rounds that hold whole blocks out."""

import numpy as np

from components.ensemble.library import Codes
from components.ensemble.out_of_fold import out_of_fold, rows_of
from components.ensemble.rounds import MOST_ROUNDS, hold_out


def _codes(count: int) -> Codes:
    generator = np.random.default_rng(3)
    return np.column_stack([generator.integers(120, size=count), generator.integers(300, size=(count, 2))]).astype(
        np.int32
    )


def test_every_molecule_is_held_out_and_every_round_leaves_most() -> None:
    codes = _codes(4_000)
    codes[:40] = -1  # without blocks
    held = hold_out(codes, MOST_ROUNDS, seed=1)
    assert held.any(axis=0).all()
    assert (held.mean(axis=1) < 0.3).all()
    np.testing.assert_array_equal(hold_out(codes, 3, seed=1), held[:3])  # fewer rounds hold no more out


def test_more_than_half_of_those_held_out_hold_a_block_that_no_other_holds() -> None:
    codes = _codes(4_000)
    shares = []
    for held in hold_out(codes, 12, seed=1):
        known = [np.unique(codes[~held][:, columns]) for columns in ([0], [1, 2])]
        is_new = ~(np.isin(codes[held][:, 0], known[0]) & np.isin(codes[held][:, 1:], known[1]).all(axis=1))
        shares.append(is_new.mean())
    assert 0.5 < np.mean(shares) < 0.7


def test_another_seed_holds_out_others() -> None:
    codes = _codes(500)
    assert (hold_out(codes, 4, seed=1) != hold_out(codes, 4, seed=2)).any()
    np.testing.assert_array_equal(hold_out(codes, 4, seed=1), hold_out(codes, 4, seed=1))


def test_a_molecule_has_a_score_for_each_round_that_held_it_out() -> None:
    held = np.array([[True, False, True], [False, False, True]])
    found = out_of_fold(held, lambda out: np.full((out.sum(), 2), out.sum(), np.float32))
    np.testing.assert_array_equal(rows_of(held), [0, 2, 2])
    np.testing.assert_array_equal(found, [[2, 2], [2, 2], [1, 1]])
