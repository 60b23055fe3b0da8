"""Scores of molecules by members that did not learn from them, one row for each round that held a molecule out.

They are not averaged over rounds: a molecule whose block is held out with it, and the same molecule held out while its
blocks are known, are two different examples of what a score is worth.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from components.ensemble.library import Floats

# Takes what a round holds out, bool [n]; returns float32 [n_held_out, n_columns], learnt from the others.
Round = Callable[[NDArray[np.bool_]], Floats]


def rows_of(held_out: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The molecule of each row.

    Args:
        held_out: bool [n_rounds, n], at least one of them.

    Returns:
        int64 [n_rows], the molecules of the first round in ascending order, then those of the next.
    """
    return np.concatenate([np.flatnonzero(held) for held in held_out])


def out_of_fold(held_out: NDArray[np.bool_], score: Round) -> Floats:
    """Score what each round holds out.

    Args:
        held_out: bool [n_rounds, n], at least one of them.
        score: Learns from the molecules that a round does not hold out, and scores the others.

    Returns:
        float32 [n_rows, n_columns], of the molecules that `rows_of` names.
    """
    return np.concatenate([score(held) for held in held_out])
