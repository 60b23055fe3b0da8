"""Rounds that hold molecules out as a test does: some blocks wholly, and a share of the molecules without them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from belka.hashing import splitmix64
from components.ensemble.library import Codes

# About 58% of the competition's test rows hold a block that no training row holds. 1 / PLACES of the blocks of each
# position are in about 3 / PLACES of the molecules, and 2 / PLACES of the others are held out beside them: 60% of those
# held out hold a new block. So many places leave nearly as much to learn from as the finished model has.
PLACES: Final = 24
MOST_ROUNDS: Final = PLACES // 2


def hold_out(codes: Codes, n_rounds: int, seed: int) -> NDArray[np.bool_]:
    """Say which molecules each round holds out, about a fifth of them.

    Args:
        codes: int32 [n, 3], see `make_library`; -1 = a molecule without blocks.
        n_rounds: Number of rounds, at most MOST_ROUNDS, with which each molecule is held out at least once.
        seed: Another seed gives other rounds.

    Returns:
        bool [n_rounds, n].
    """
    first, others = (
        _places(int(column.max(initial=-1)) + 1, PLACES, seed, step)
        for step, column in ((1, codes[:, 0]), (2, codes[:, 1:]))
    )
    held = [
        np.where(column >= 0, np.append(places, -1)[column], -1)
        for column, places in zip(codes.T, (first, others, others), strict=True)
    ]
    rest = _places(len(codes), MOST_ROUNDS, seed, 3)
    return np.stack(
        [(rest == number) | np.any([place == number for place in held], axis=0) for number in range(n_rounds)]
    )


def _places(count: int, n_places: int, seed: int, step: int) -> NDArray[np.int64]:
    """Deal `count` things to places as evenly as cards."""
    order = np.argsort(splitmix64(np.arange(count, dtype=np.int64) + (seed << 32), step), kind="stable")
    places = np.empty(count, np.int64)
    places[order] = np.arange(count) % n_places
    return places
