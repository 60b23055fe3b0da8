"""The exact best products of a library by a score that bounds can be given for, without scoring every product.

A head is a set of products with one first block. Within a head the score of the product with the amines b and c is

    base + second(b) + third(c) + joint(b, c),    joint(b, c) <= min(slack(b), slack(c))

Heads are visited in the order of their bounds. The score that is needed to be among the best so far excludes whole
heads, then all products of a head that hold an amine, then stretches of pairs of amines; what is left is scored.
A bound is never below a score that it covers, so the result is that of scoring everything.

Source: Land, Doig: An automatic method of solving discrete programming problems, Econometrica 28, 497 (1960), branch
and bound; Fagin, Lotem, Naor: Optimal aggregation algorithms for middleware, JCSS 66, 614 (2003), the order of visits.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from belka.enumeration.library import Places, ProductLibrary
from belka.errors import InputError

_ROWS: Final = 64  # amines of position 2 that are opened at a time
_MOST_KEPT: Final = 20_000_000  # products; 40 bytes each
_ROUNDING: Final = 1e-9  # relative to the largest terms, float64 sums of a few hundred of them err by 1e-13

Floats = NDArray[np.float64]


class Side(NamedTuple):
    """The amines of one position within a head.

    Attributes:
        places: int64 [n], in the library's amines.
        values: float64 [n], what each adds to the score.
        slack: float64 [n], what `joint` is at most, whatever the other amine.
    """

    places: Places
    values: Floats
    slack: Floats

    def take(self, kept: NDArray[np.int64]) -> "Side":
        """Some of them."""
        return Side(self.places[kept], self.values[kept], self.slack[kept])


class Head(NamedTuple):
    """Products with one first block.

    Attributes:
        number: Of the head.
        first: Place of the first block.
        base: What all their scores hold.
        second: Amines of position 2.
        third: Amines of position 3.
    """

    number: int
    first: int
    base: float
    second: Side
    third: Side


class Scorer(Protocol):
    """A score that can be bounded."""

    library: ProductLibrary
    size: float  # of the largest terms of a score, which rounding is relative to

    def bounds(self) -> Floats:
        """A bound of the scores of each head, float64 [n_heads]."""

    def head(self, number: int) -> Head:
        """A head."""

    def joint(self, head: Head, second: Places, third: Places) -> Floats:
        """What pairs of amines add beside what each adds, float64 [n_second, n_third]."""

    def exact(self, molecules: NDArray[np.int64]) -> Floats:
        """Scores of single products, float64 [n], each the same whatever the others, of places, int64 [n, 3]."""


@dataclass
class Counts:
    """How a search went.

    Attributes:
        products: Products of the library.
        opened: Those whose own score was computed; all others were excluded by bounds.
        heads: Sets of products with one first block (and kinds of amines).
        heads_opened: Those that their bound did not exclude as a whole.
        amines: Sets of products with one first block and one amine in the heads opened.
        amines_opened: Those of them that no bound excluded as a whole.
    """

    products: int
    opened: int = 0
    heads: int = 0
    heads_opened: int = 0
    amines: int = 0
    amines_opened: int = 0

    @property
    def bounded(self) -> int:
        """Products that bounds of sets excluded."""
        return self.products - self.opened


@dataclass(frozen=True)
class Best:
    """The best products, by score, then by the places of their blocks.

    Attributes:
        molecules: int64 [n, 3], places of the blocks.
        scores: float64 [n], descending.
        counts: How they were found.
    """

    molecules: NDArray[np.int64]
    scores: Floats
    counts: Counts


@dataclass
class _Kept:
    """The products that may be among the best."""

    wanted: int
    tolerance: float
    least: float = -np.inf  # score below which a product is not wanted
    molecules: list[NDArray[np.int64]] = field(default_factory=list)
    scores: list[Floats] = field(default_factory=list)
    waiting: int = 0

    def add(self, molecules: NDArray[np.int64], scores: Floats) -> None:
        self.molecules.append(molecules)
        self.scores.append(scores)
        self.waiting += len(scores)
        if self.waiting >= max(1, self.wanted // 2):
            self.settle()

    def settle(self) -> tuple[NDArray[np.int64], Floats]:
        """Drop what is no longer wanted, and raise `least`."""
        molecules = np.concatenate([np.empty((0, 3), np.int64), *self.molecules])
        scores = np.concatenate([np.empty(0), *self.scores])
        if len(scores) >= self.wanted:
            last = np.partition(scores, len(scores) - self.wanted)[len(scores) - self.wanted]
            self.least = max(self.least, float(last) - self.tolerance)
            kept = scores >= self.least
            molecules, scores = molecules[kept], scores[kept]
        if len(scores) > self.wanted + _MOST_KEPT:
            raise InputError(
                "Too many products have nearly the same score.",
                received=f"{len(scores):,} products within {self.tolerance:.3g} of the score of number {self.wanted:,}",
                expected=f"at most {_MOST_KEPT:,} more than are asked for",
                action="Use another target or model: this score does not tell the products apart.",
            )
        self.molecules, self.scores, self.waiting = [molecules], [scores], 0
        return molecules, scores


def best_products(scorer: Scorer, count: int, *, tolerance: float = 0.0) -> Best:
    """Find the best products of a library.

    Args:
        scorer: The score.
        count: How many, at least 1.
        tolerance: All products are given whose score is at most so far below that of number `count`, for whoever
            computes the score again in another precision.

    Returns:
        At least `count` products, or all there are: those of the same score (but for rounding) as the last too.

    Raises:
        InputError: Too many products have the score of the last.
    """
    bounds = scorer.bounds()
    library = scorer.library
    counts = Counts(library.size, heads=len(bounds))
    # Sums of the same terms in another order differ in their last digits: such products are told apart by no score.
    kept = _Kept(count, tolerance + _ROUNDING * scorer.size)
    margin = _ROUNDING * scorer.size
    for number in np.argsort(-bounds, kind="stable"):
        if bounds[number] + margin < kept.least:
            break
        counts.heads_opened += 1
        _open_head(scorer, scorer.head(int(number)), kept, counts, margin)
    molecules, _ = kept.settle()
    scores = scorer.exact(molecules)
    order = np.lexsort((*molecules.T[::-1], -scores))
    return Best(molecules[order], scores[order], counts)


def bound_of(base: Floats | float, second: Side, third: Side) -> float:
    """A bound of the scores of a head, from what its amines add at most."""
    if not (len(second.places) and len(third.places)):
        return -np.inf
    by_second = (second.values + second.slack).max() + third.values.max()
    by_third = second.values.max() + (third.values + third.slack).max()
    return float(base + min(by_second, by_third))


def _open_head(scorer: Scorer, head: Head, kept: _Kept, counts: Counts, margin: float) -> None:
    counts.amines += len(head.second.places) + len(head.third.places)
    second, third = head.second, head.third
    order = np.argsort(-(second.values + np.minimum(second.slack, third.slack.max(initial=-np.inf))), kind="stable")
    second = second.take(order)
    seen: set[int] = set()
    for start in range(0, len(second.places), _ROWS):
        rows = second.take(np.arange(start, min(start + _ROWS, len(second.places))))
        rows = _within(head.base, rows, third, kept, margin)
        columns = _within(head.base, third, rows, kept, margin)
        if not (len(rows.places) and len(columns.places)):
            continue
        rows = _within(head.base, rows, columns, kept, margin)
        counts.amines_opened += len(rows.places)
        seen.update(columns.places.tolist())
        _score(scorer, head, rows, columns, kept, counts)
    counts.amines_opened += len(seen)


def _within(base: float, side: Side, other: Side, kept: _Kept, margin: float) -> Side:
    """The amines of one side of which a product may be wanted."""
    if not len(other.places):
        return side.take(np.empty(0, np.int64))
    most = np.minimum(side.values + side.slack + other.values.max(), side.values + (other.values + other.slack).max())
    return side.take(np.flatnonzero(base + most + margin >= kept.least))


def _score(scorer: Scorer, head: Head, rows: Side, columns: Side, kept: _Kept, counts: Counts) -> None:
    """Score what a bound of each pair leaves, as far as it lies in rows and columns of its own."""
    most = rows.values[:, None] + columns.values[None, :] + np.minimum(rows.slack[:, None], columns.slack[None, :])
    repeated = scorer.library.is_repeated(rows.places[:, None], columns.places[None, :])
    is_open = (head.base + most >= kept.least - _ROUNDING * scorer.size) & ~repeated
    open_rows, open_columns = np.flatnonzero(is_open.any(axis=1)), np.flatnonzero(is_open.any(axis=0))
    rows, columns, repeated = (
        rows.take(open_rows),
        columns.take(open_columns),
        repeated[np.ix_(open_rows, open_columns)],
    )
    if not repeated.size:
        return
    scores = head.base + rows.values[:, None] + columns.values[None, :]
    scores += scorer.joint(head, rows.places, columns.places)
    counts.opened += int(repeated.size - repeated.sum())
    found = np.nonzero((scores >= kept.least) & ~repeated)
    if len(found[0]):
        firsts = np.full(len(found[0]), head.first)
        kept.add(np.column_stack([firsts, rows.places[found[0]], columns.places[found[1]]]), scores[found])
