"""Draws: molecules held out again and again as a test does, to tell how much a score owes to which ones they were."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from belka.contract import SplitGroup
from components.ensemble.blend import Blend
from components.ensemble.blend_graph import CHUNK, EnsembleGraph, MemberGraphs
from components.ensemble.library import Bits, Floats, make_library
from components.ensemble.training_data import LabelledMolecules

TEST_SHARE: Final = 0.3
NEW_SHARE: Final = 0.58  # of the competition's test rows hold a block that no training row holds
_HALVINGS: Final = 30  # of the interval in which the share of held-out blocks lies
_SCORED: Final = 16 * CHUNK  # molecules at a time


def make_draw(
    blocks: Bits, seed: int | Sequence[int], test_share: float = TEST_SHARE
) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Hold molecules out as the competition's test does: some blocks wholly, and molecules of the other blocks.

    Args:
        blocks: uint8 [n, 3 * n_bytes], the feature `blocks`, zeros nowhere.
        seed: Number of the draw, or numbers that name it.
        test_share: About the share of the molecules that is held out.

    Returns:
        Which are held out, bool [n]; the split group of each, int8 [n].
    """
    library, codes = make_library(blocks)
    generator = np.random.default_rng(seed)
    order = [generator.permutation(len(table)) for table in library]

    def with_any(share: float) -> NDArray[np.bool_]:
        held = [np.isin(np.arange(len(each)), each[: round(share * len(each))]) for each in order]
        marked: NDArray[np.bool_] = held[0][codes[:, 0]] | held[1][codes[:, 1:]].any(axis=1)
        return marked

    low, high = 0.0, 0.5
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if with_any(middle).mean() > NEW_SHARE * test_share else (middle, high)
    held_out = with_any(low)
    rest = np.flatnonzero(~held_out)
    held_out[generator.choice(rest, round(held_out.sum() / NEW_SHARE * (1 - NEW_SHARE)), replace=False)] = True
    taught = codes[~held_out]
    known = [
        np.isin(np.arange(len(table)), seen) for table, seen in zip(library, (taught[:, 0], taught[:, 1:]), strict=True)
    ]
    is_new = ~(known[0][codes[:, 0]] & known[1][codes[:, 1:]].all(axis=1))
    return held_out, np.where(is_new, SplitGroup.NON_SHARED, SplitGroup.SHARED).astype(np.int8)


def score_members(graphs: MemberGraphs, blend: Blend, molecules: LabelledMolecules, targets: tuple[str, ...]) -> Floats:
    """Log-odds of molecules by the members beside the transformer, as the exported graph computes them.

    Args:
        graphs: The trained members.
        blend: Names them in its `lines`.
        molecules: What to score; each has blocks.
        targets: Proteins, in the order of the labels.

    Returns:
        float32 [n, n_targets, n_members].
    """
    graph = EnsembleGraph(None, graphs, blend, molecules.ecfp.shape[1], targets)
    strings = tf.TensorSpec([None], tf.string)
    score = tf.function(graph.member_odds, input_signature=[strings, strings])
    parts = [
        score(*(tf.constant([row.tobytes() for row in table[start : start + _SCORED]]) for table in molecules[1:3]))
        for start in range(0, len(molecules.ids), _SCORED)
    ]
    return np.concatenate([part.numpy() for part in parts])
