"""Where a ranked list may end, so that at least a promised share of it binds.

The promise is one of probability: of lists of molecules like the held-out ones, nine in ten hold at least the promised
share of binders. It is not the expected share, which half of all lists fall short of.

Molecules of one new building block are alike, so that blocks are what is exchangeable between the held-out molecules
and those of the list; molecules without a new block are exchangeable themselves. What a list with as many new blocks
may hold is drawn again and again: a population of blocks that the held-out ones may have come from (Bayesian
bootstrap), and from it the blocks of the list. A molecule counts as often as the product of how often its new blocks
were drawn. The list ends at the lowest score at which nine in ten draws that hold a molecule have the promised share.
As in conformal p-values one molecule more counts among the held-out ones, with a block of its own: the best of all by
score, and no binder. So a few binders at the top promise nothing.

Source: Jin, Candes: Selection by prediction with conformal p-values, JMLR 24 (2023), on the task and the one molecule
more; Rubin: The Bayesian bootstrap, Ann. Stat. 9, 130 (1981); Owen: The pigeonhole bootstrap, Ann. Appl. Stat. 1, 386
(2007), on blocks that cross. That the promise is kept is measured, not proven (docs/prediction.md).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.9
# Of fewer units nothing is promised: a population cannot be told from them.
FEWEST_UNITS: Final = 10
NO_BLOCK: Final = -1
_DRAWS: Final = 1_000
_ENDS: Final = 400  # places where a list may end
_CELLS_AT_A_TIME: Final = 1 << 22  # of 8 bytes
_ROUNDING: Final = 1e-9


def lowest_score(
    scores: NDArray[np.float32],
    hits: NDArray[np.bool_],
    new_blocks: NDArray[np.int32],
    *,
    share: float,
    n_units: int,
) -> float:
    """Find the lowest score that a list may hold.

    Args:
        scores: float32 [n], of held-out molecules of known label.
        hits: bool [n], whether each binds.
        new_blocks: int32 [n, 3], their new blocks, each once; -1 = none. Molecules without any are units themselves.
        share: Promised share of binders, above 0, below 1.
        n_units: New blocks among the molecules of the list; without new blocks, its molecules. At least 1.

    Returns:
        The score; infinity where no list can be promised.
    """
    units, n_known = _units(new_blocks)
    if n_known < FEWEST_UNITS:
        return float("inf")
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    # Molecules of one score stand in a list together.
    last = np.append(np.flatnonzero(falling[1:] != falling[:-1]), falling.size - 1)
    last = last[np.unique(np.linspace(0, last.size - 1, min(last.size, _ENDS)).astype(np.int64))]
    combinations, of = np.unique(units[order], axis=0, return_inverse=True)
    # Molecules and binders of each combination of units between one end and the next.
    counted = np.zeros((2, len(combinations) + 1, last.size))
    places = of.ravel(), np.searchsorted(last, np.arange(falling.size))
    np.add.at(counted[0], places, 1.0)
    np.add.at(counted[1], places, hits[order])
    counted[0, -1, 0] = 1.0  # the one molecule more, whose block is the last
    kinds = np.concatenate([combinations, [[n_known, n_known + 1, n_known + 1]]])
    safe = np.flatnonzero(_broken(counted, kinds, n_known + 1, n_units, share) <= 1 - CONFIDENCE)
    return float(falling[last[safe[-1]]]) if safe.size else float("inf")


def _units(new_blocks: NDArray[np.int32]) -> tuple[NDArray[np.int64], int]:
    """The units of each molecule, int64 [n, 3], numbered from 0, and their number; number + 1 = none.

    The number itself is kept for the one molecule more.
    """
    known, codes = np.unique(new_blocks, return_inverse=True)
    has_none = int(known.size > 0 and known[0] == NO_BLOCK)
    places = codes.reshape(new_blocks.shape).astype(np.int64) - has_none
    n = known.size - has_none
    alone = np.flatnonzero((new_blocks == NO_BLOCK).all(axis=1))
    places[places < 0] = n + alone.size + 1
    places[alone, 0] = n + np.arange(alone.size)
    return places, n + alone.size


def _broken(
    counted: NDArray[np.float64], kinds: NDArray[np.int64], n_known: int, n_units: int, share: float
) -> NDArray[np.float64]:
    """Which part of the drawn lists with a molecule hold too few binders, float64 [n_ends]; 1 where none has any.

    Args:
        counted: float64 [2, n_kinds, n_ends], molecules and binders with the same units between one end and the next.
        kinds: int64 [n_kinds, 3], those units; n_known = none.
        n_known: Units of the held-out molecules.
        n_units: Units of the list.
        share: Promised share of binders.
    """
    generator = np.random.default_rng(0)
    at_a_time = max(1, _CELLS_AT_A_TIME // max(len(kinds), n_known))
    broken, held = np.zeros(counted.shape[2]), np.zeros(counted.shape[2])
    for start in range(0, _DRAWS, at_a_time):
        size = min(at_a_time, _DRAWS - start)
        drawn = generator.multinomial(n_units, generator.dirichlet(np.ones(n_known), size))
        # By how often each is drawn on average, or molecules of two new blocks would count for more in long lists.
        counts = np.concatenate([drawn * (n_known / n_units), np.ones((size, 1))], axis=1)
        weights = counts[:, kinds[:, 0]] * counts[:, kinds[:, 1]] * counts[:, kinds[:, 2]]
        molecules, binders = (np.cumsum(weights @ part, axis=1) for part in counted)
        held += (molecules > 0).sum(axis=0)
        broken += (binders < share * molecules - _ROUNDING * molecules).sum(axis=0)
    return np.where(held > 0, broken / np.maximum(held, 1), 1.0)
