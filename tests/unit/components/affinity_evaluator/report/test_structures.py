"""Molecules that the model is wrong about, and the blocks that its predictions follow."""

from typing import Any

import numpy as np
import pytest

from components.affinity_evaluator.predictions import read_predictions
from components.affinity_evaluator.report.structures import driving_blocks, wrong_molecules


def test_wrong_molecules_are_the_most_confident_ones(bench: Any) -> None:
    found = [
        m
        for m in wrong_molecules(read_predictions(bench.predictions, 2), bench.folder / "molecules", bench.targets)
        if m.target == "HSA"
    ]
    negatives = np.flatnonzero(bench.labels[:, 1] == 0)
    worst = negatives[np.argsort(-bench.probabilities[negatives, 1])][:3]
    assert [m.label for m in found] == [0, 0, 0, 1, 1, 1]
    assert [m.probability for m in found[:3]] == pytest.approx(bench.probabilities[worst, 1].tolist())
    assert [m.smiles for m in found[:3]] == [bench.smiles[i] for i in worst]


def test_driving_blocks_by_hand(bench: Any) -> None:
    found = driving_blocks(read_predictions(bench.predictions, 2), bench.folder / "molecules", bench.targets)
    names = ("CN", "CCN", "CCCN", "<b>no molecule</b>")
    # At positions 1, 2 and 3 molecule i has the blocks i, 2i and 3i modulo 4; block 0 may stand at several.
    members = {b: [i for i in range(bench.n) if b in {i % 4, 2 * i % 4, 3 * i % 4}] for b in range(4)}
    places = {b: tuple(j + 1 for j in range(3) if any((j + 1) * i % 4 == b for i in range(bench.n))) for b in range(4)}
    means = {b: float(bench.probabilities[rows, 0].mean()) for b, rows in members.items()}
    expected = sorted(means, key=lambda b: -means[b])[:3]
    shown = [block for block in found if block.target == "BRD4"]
    assert [block.smiles for block in shown] == [names[b] for b in expected]
    for b, block in zip(expected, shown, strict=True):
        assert block.predicted == pytest.approx(means[b], abs=1e-6)
        assert (block.molecules, block.positions) == (len(members[b]), places[b])
        assert block.observed == pytest.approx(bench.labels[members[b], 0].mean(), abs=1e-12)
