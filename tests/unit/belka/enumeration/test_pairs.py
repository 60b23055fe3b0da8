"""Odds of pairs of blocks: pooled over the two positions in which the core is symmetric."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from belka.enumeration.library import ProductBlock, make_library
from belka.enumeration.pairs import pair_scorer
from belka.enumeration.search import best_products
from belka.errors import InputError
from belka.statistics.compute import compute_statistics
from belka.statistics.odds import shrunken_odds

FIRST, AMINES = ["F0", "F1"], ["A0", "A1", "A2", "A3"]
LIBRARY = make_library(
    (
        [ProductBlock(name, f"{name}t") for name in FIRST],
        [ProductBlock(name, f"{name}t") for name in AMINES[:3]],
        [ProductBlock(name, f"{name}t") for name in AMINES[1:]],
    )
)


@pytest.fixture
def statistics(tmp_path: Path, molecules_writer: Callable[..., Path]) -> Path:
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(400):
        a, b, c = generator.integers(2), generator.integers(3), 1 + generator.integers(3)
        hit = int(generator.random() < 0.1 + 0.4 * (a == 1 and 2 in (b, c)) + 0.3 * (b == c))
        rows.append(("train", (int(a), 2 + int(b), 2 + int(c)), [hit, 2]))
    molecules = molecules_writer(tmp_path / "molecules", [*FIRST, *AMINES], rows, ["BRD4", "sEH"])
    compute_statistics(molecules, tmp_path / "statistics", n_workers=1)
    np.save(tmp_path / "rows.npy", [[*ids, labels[0]] for _, ids, labels in rows])
    return tmp_path / "statistics"


def test_scores_are_sums_of_the_pooled_odds_of_three_pairs(statistics: Path) -> None:
    rows = np.load(statistics.parent / "rows.npy") - [0, 2, 2, 0]
    with_first, of_amines = np.zeros((2, 4, 2), int), np.zeros((4, 4, 2), int)
    for a, b, c, hit in rows:
        with_first[a, b] += (1, hit)
        with_first[a, c] += (1, hit)
        of_amines[min(b, c), max(b, c)] += (1, hit)
    tables = []
    for counts in (with_first, of_amines):
        table = np.full(counts.shape[:2], np.nan)
        seen = counts[..., 0] > 0
        prior, odds = shrunken_odds(*counts[seen].T.copy())
        table[seen] = odds.log_odds
        table[~seen] = prior.log_odds
        tables.append(table)
    scorer = pair_scorer(statistics, "BRD4", LIBRARY)
    best = best_products(scorer, 100)
    assert len(best.scores) == LIBRARY.size == 2 * (3 * 3 - 1)
    expected = [
        tables[0][a, b] + tables[0][a, c] + tables[1][min(b, c), max(b, c)] for a, b, c in best.molecules.tolist()
    ]
    np.testing.assert_allclose(best.scores, expected, rtol=1e-12)
    assert LIBRARY.amines[best.molecules[0, 1]].listed == "A2"


def test_statistics_of_others_are_refused(statistics: Path) -> None:
    with pytest.raises(InputError, match="no statistics of this target"):
        pair_scorer(statistics, "HSA", LIBRARY)
    other = make_library(([ProductBlock("X", "N")], [ProductBlock("Y", "NC")], [ProductBlock("Z", "NCC")]))
    with pytest.raises(InputError, match="know no pair of the library's building blocks"):
        pair_scorer(statistics, "BRD4", other)
