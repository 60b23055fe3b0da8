"""Choose among ranked molecules: those that pass the filters, not too many of one block or pair, not too alike."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from belka.chemistry.smiles import parse
from belka.contract import LINKER, LINKER_REPLACEMENT
from belka.enumeration.properties import PropertyFilter, compute

Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Wanted:
    """What is chosen.

    Attributes:
        count: How many molecules at most.
        filters: What their properties must be.
        per_block: How many may hold one block; None = any number.
        per_pair: How many may hold one pair of blocks; None = any number.
        most_similar: Least Tanimoto similarity of fingerprints at which a molecule is too like one that was chosen;
            None = none is.
    """

    count: int
    filters: tuple[PropertyFilter, ...] = ()
    per_block: int | None = None
    per_pair: int | None = None
    most_similar: float | None = None

    @property
    def properties(self) -> tuple[str, ...]:
        """Names of the properties that are looked at, each once."""
        return tuple(dict.fromkeys(each.name for each in self.filters))


@dataclass
class Chosen:
    """What was chosen.

    Attributes:
        rows: Rows of the ranked molecules, in their order.
        properties: Of each, in the order of `Wanted.properties`.
        passed_over: Reason -> how many better ones were not taken.
    """

    rows: list[int] = field(default_factory=list)
    properties: list[list[float]] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)


class Ranked(NamedTuple):
    """Ranked molecules, the best first.

    Attributes:
        blocks: int64 [n, 3], places of their blocks; the second and the third are of one list.
        smiles: Row -> SMILES.
        packed: uint8 [n, n_bytes], their fingerprints; None where nobody asks for similarity.
    """

    blocks: NDArray[np.int64]
    smiles: Callable[[int], str]
    packed: Bits | None = None


def choose(ranked: Ranked, wanted: Wanted) -> Chosen:
    """Go down the ranks and take what may be taken; the same however many follow below.

    Args:
        ranked: The molecules.
        wanted: What is chosen.
    """
    chosen, uses = Chosen(), Counter[tuple[object, ...]]()
    taken = _Taken(wanted.most_similar)
    for row, (first, *amines) in enumerate(ranked.blocks.tolist()):
        if len(chosen.rows) == wanted.count:
            break
        second, third = sorted(amines)
        blocks: set[tuple[object, ...]] = {("first", first), (second,), (third,)}
        pairs: set[tuple[object, ...]] = {(first, "first", second), (first, "first", third), (second, third)}
        found: list[float] = []
        if _used_up(blocks, uses, wanted.per_block):
            chosen.passed_over["block"] += 1
        elif _used_up(pairs, uses, wanted.per_pair):
            chosen.passed_over["pair of blocks"] += 1
        elif not _passes(ranked.smiles(row), wanted, found):
            chosen.passed_over["filters"] += 1
        elif ranked.packed is not None and taken.has_like(ranked.packed[row]):
            chosen.passed_over["similarity"] += 1
        else:
            uses.update(blocks | pairs)
            chosen.rows.append(row)
            chosen.properties.append(found)
            if ranked.packed is not None:
                taken.add(ranked.packed[row])
    return chosen


def _used_up(keys: Iterable[tuple[object, ...]], uses: Counter[tuple[object, ...]], most: int | None) -> bool:
    return most is not None and any(uses[key] >= most for key in keys)


def _passes(smiles: str, wanted: Wanted, found: list[float]) -> bool:
    """Whether a molecule passes the filters; its properties are put into `found`."""
    if not wanted.filters:
        return True
    molecule = parse(smiles.replace(LINKER, LINKER_REPLACEMENT))
    assert isinstance(molecule, Chem.Mol), "a product that was spelled is a molecule"
    found += compute(wanted.properties, molecule)
    values = dict(zip(wanted.properties, found, strict=True))
    return all(each.passes(values[each.name]) for each in wanted.filters)


class _Taken:
    """Fingerprints of the molecules that were chosen."""

    def __init__(self, most_similar: float | None) -> None:
        self._most_similar = most_similar
        self._rows: Sequence[Bits] = []

    def add(self, packed: Bits) -> None:
        self._rows = [*self._rows, packed]

    def has_like(self, packed: Bits) -> bool:
        """Whether one of them is at least as similar as is allowed at most."""
        if self._most_similar is None or not self._rows:
            return False
        rows = np.stack(self._rows)
        common = np.bitwise_count(rows & packed).sum(axis=1, dtype=np.int64)
        either = np.bitwise_count(rows | packed).sum(axis=1, dtype=np.int64)
        return bool((common >= self._most_similar * np.maximum(either, 1)).any())
