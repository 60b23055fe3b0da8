"""Odds of pairs of blocks as a score of molecules, with the bounds that `search` wants.

The score of a molecule is the sum of the shrunken log-odds of its three pairs of blocks (`belka.statistics.odds`). The
counts of positions 2 and 3 are pooled: the core is symmetric in them. A pair that training never showed has the
log-odds of all pairs together.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from belka.contract import PAIRS_FILE, STATISTICS_PAIR
from belka.enumeration.library import Places, ProductLibrary
from belka.enumeration.search import Floats, Head, Side
from belka.errors import InputError
from belka.statistics.odds import shrunken_odds
from belka.statistics.tables import read_statistics, read_summary

_FIRST: Final = 1  # the position with the linker


class PairScorer:
    """Scores of one target.

    Args:
        library: The blocks.
        with_first: float64 [n_first, n_amines], log-odds of pairs of a first block and an amine.
        of_amines: float64 [n_amines, n_amines], of pairs of amines, symmetric.

    Attributes:
        library: The blocks.
        size: Sum of the largest log-odds.
    """

    def __init__(self, library: ProductLibrary, with_first: Floats, of_amines: Floats) -> None:
        self.library, self._with_first, self._of_amines = library, with_first, of_amines
        self.size = float(1.0 + 2.0 * abs(with_first).max() + abs(of_amines).max())
        between = of_amines[np.ix_(library.second, library.third)]
        self._slack = (between.max(axis=1), between.max(axis=0))

    def bounds(self) -> Floats:
        """A bound of the scores of each head, float64 [n_heads]: of the products of each first block."""
        second, third = (self._with_first[:, places] for places in (self.library.second, self.library.third))
        by_second = (second + self._slack[0]).max(axis=1) + third.max(axis=1)
        by_third = second.max(axis=1) + (third + self._slack[1]).max(axis=1)
        found: Floats = np.minimum(by_second, by_third)
        return found

    def head(self, number: int) -> Head:
        """The products of a first block."""
        sides = [
            Side(places, self._with_first[number, places], slack)
            for places, slack in zip((self.library.second, self.library.third), self._slack, strict=True)
        ]
        return Head(number, number, 0.0, *sides)

    def joint(self, head: Head, second: Places, third: Places) -> Floats:
        """Log-odds of pairs of amines, float64 [n_second, n_third]."""
        del head
        found: Floats = self._of_amines[np.ix_(second, third)]
        return found

    def exact(self, molecules: NDArray[np.int64]) -> Floats:
        """Scores of single products, float64 [n], of places of their blocks, int64 [n, 3]."""
        a, b, c = molecules.T
        found: Floats = self._with_first[a, b] + self._with_first[a, c] + self._of_amines[b, c]
        return found


def pair_scorer(folder: Path, target: str, library: ProductLibrary) -> PairScorer:
    """Make the score of a target from block statistics.

    Args:
        folder: Folder with block statistics.
        target: The target.
        library: The blocks; listed as the statistics list them.

    Raises:
        InputError: There are none of this target, a file is damaged, or no block of the library is among them.
    """
    targets: list[str] = read_summary(folder)["targets"]
    if target not in targets:
        raise InputError(
            "There are no statistics of this target.",
            received=target,
            expected=" or ".join(targets),
            action="Name one of them with --target.",
        )
    n_first, n_amines = len(library.first), len(library.amines)
    first = {block.listed: place for place, block in enumerate(library.first)}
    amines = {block.listed: place for place, block in enumerate(library.amines)}
    tables = [table for table in read_statistics(folder, PAIRS_FILE, target) if table.num_rows]
    with_first = _pooled(_counts(tables, first, amines, with_first=True), (n_first, n_amines))
    of_amines = _pooled(_counts(tables, amines, amines, with_first=False), (n_amines, n_amines))
    if with_first is None or of_amines is None:
        raise InputError(
            "The statistics know no pair of the library's building blocks.",
            received=f"{folder}, {n_first} first blocks and {n_amines} others",
            expected="statistics of the same library, with equal SMILES of blocks",
            action="Give the molecules table that the statistics were counted in.",
        )
    return PairScorer(library, with_first, np.triu(of_amines) + np.triu(of_amines, 1).T)


def _counts(
    tables: Sequence[pa.Table], left: dict[str, int], right: dict[str, int], *, with_first: bool
) -> Iterator[NDArray[np.int64]]:
    """Places, known labels and hits of pairs, int64 [n, 4]; those with the first position, or those without."""
    for table in tables:
        columns = [
            _places(table[name], places) for name, places in zip(STATISTICS_PAIR[1::2], (left, right), strict=True)
        ]
        is_first = table[STATISTICS_PAIR[0]].to_numpy() == _FIRST
        kept = (is_first == with_first) & (columns[0] >= 0) & (columns[1] >= 0)
        if not with_first:
            columns = [np.minimum(*columns), np.maximum(*columns)]
        counts = [table[name].to_numpy() for name in ("known", "hits")]
        yield np.stack([*columns, *counts], axis=1)[kept].astype(np.int64)


def _places(names: pa.ChunkedArray, places: dict[str, int]) -> NDArray[np.int64]:
    encoded = names.unify_dictionaries().combine_chunks()
    of_code = np.array([*(places.get(name, -1) for name in encoded.dictionary.to_pylist()), -1], np.int64)
    found: NDArray[np.int64] = of_code[encoded.indices.to_numpy(zero_copy_only=False)]
    return found


def _pooled(counts: Iterator[NDArray[np.int64]], shape: tuple[int, int]) -> Floats | None:
    """Log-odds of pairs, float64 of `shape`, with those of all pairs where there is no count; None without any."""
    rows = np.concatenate([np.empty((0, 4), np.int64), *counts])
    if not len(rows):
        return None
    keys, place = np.unique(rows[:, 0] * shape[1] + rows[:, 1], return_inverse=True)
    known, hits = (np.bincount(place, weights=column).astype(np.int64) for column in rows[:, 2:].T)
    prior, odds = shrunken_odds(known, hits)
    table = np.full(shape, prior.log_odds)
    table.flat[keys] = odds.log_odds
    return table
