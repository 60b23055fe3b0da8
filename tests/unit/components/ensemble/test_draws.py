"""Draws like the competition's test."""

import numpy as np
import pytest

from belka.contract import BLOCK_BITS, SplitGroup
from components.ensemble.draws import NEW_SHARE, TEST_SHARE, make_draw


def _blocks(codes: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Blocks whose bits say their code."""
    bits = np.zeros((len(codes), 3, BLOCK_BITS), np.uint8)
    for position in range(3):
        bits[np.arange(len(codes)), position, codes[:, position]] = 1
    return np.packbits(bits.reshape(len(codes), -1), axis=1)


def test_a_draw_holds_out_what_the_competitions_test_does() -> None:
    generator = np.random.default_rng(0)
    codes = np.column_stack([generator.integers(100, size=6_000), generator.integers(200, size=(6_000, 2))])
    held_out, groups = make_draw(_blocks(codes), seed=3)
    taught = [set(codes[~held_out][:, 0]), set(codes[~held_out][:, 1:].ravel())]
    is_new = np.array([not (a in taught[0] and {b, c} <= taught[1]) for a, b, c in codes.tolist()])
    np.testing.assert_array_equal(groups == SplitGroup.NON_SHARED, is_new)
    assert held_out[is_new].all()
    assert held_out.mean() == pytest.approx(TEST_SHARE, abs=0.03)
    assert is_new[held_out].mean() == pytest.approx(NEW_SHARE, abs=0.03)
    assert (held_out != make_draw(_blocks(codes), seed=4)[0]).any()
