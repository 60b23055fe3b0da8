"""Scores of molecules by members that did not learn from them, averaged over the rounds that held them out."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from components.ensemble.library import Floats

# Takes what a round holds out, bool [n]; returns float32 [n_held_out, n_columns], learnt from the others.
Round = Callable[[NDArray[np.bool_]], Floats]


def out_of_fold(held_out: NDArray[np.bool_], score: Round) -> Floats:
    """Average over rounds.

    Args:
        held_out: bool [n_rounds, n].
        score: Learns from the molecules that a round does not hold out, and scores the others.

    Returns:
        float32 [n, n_columns]; NaN where no round held a molecule out.
    """
    total: NDArray[np.float64] | None = None
    for held in held_out:
        scores = score(held)
        if total is None:
            total = np.zeros((held_out.shape[1], scores.shape[1]))
        total[held] += scores
    assert total is not None, "there is at least one round"
    times = held_out.sum(axis=0)[:, None]
    return np.where(times > 0, total / np.maximum(times, 1), np.nan).astype(np.float32)
