"""The bits that each block of a library adds to a molecule's fingerprint, learnt from its own products.

The rows are those of `belka.chemistry.blocks`: three products of each block, and of each kind of core, must agree on
them. A block on whose row they do not agree is left out of the library, and told.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from belka.chemistry.blocks.learn import N_REFERENCES, learn_tables
from belka.chemistry.blocks.reference import MAX_RADIUS
from belka.chemistry.blocks.row_tables import ROLE_AMINE, ROLE_LINKER
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import BLOCK_IDS, LINKER, LINKER_REPLACEMENT, MOLECULE_ID, SMILES, SMILES_NO_LINKER
from belka.enumeration.library import ProductBlock, ProductLibrary
from belka.errors import BelkaError, InputError

_NO_ROW: Final = "no three products agree on the bits it adds"
_TRIED: Final = 2  # times the molecules that are needed: one may be refused because of another of its blocks
_STEPS: Final = (1, 3)  # how fast the partners of a block change; they meet others each time

Bits = NDArray[np.uint8]
Kinds = NDArray[np.int64]
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class BlockRows:
    """Rows of bits of a library's blocks and cores.

    Attributes:
        first: uint8 [n_first, n_bytes], packed bits of the blocks of position 1.
        amines: uint8 [n_amines, n_bytes], of the others.
        first_kinds: int64 [n_first], number of the kind of nitrogen by which each hangs on the core.
        amine_kinds: int64 [n_amines].
        cores: Kinds of the three nitrogens, sorted -> uint8 [n_bytes], bits of such a core.
    """

    first: Bits
    amines: Bits
    first_kinds: Kinds
    amine_kinds: Kinds
    cores: dict[Triple, Bits]

    def packed(self, molecules: NDArray[np.int64]) -> Bits:
        """Fingerprints of molecules, uint8 [n, n_bytes], of the places of their blocks, int64 [n, 3]."""
        a, b, c = molecules.T
        kinds = np.sort(np.stack([self.first_kinds[a], self.amine_kinds[b], self.amine_kinds[c]], axis=1), axis=1)
        cores = np.stack([self.cores[tuple(triple)] for triple in kinds.tolist()]) if len(kinds) else self.first[:0]
        packed: Bits = self.first[a] | self.amines[b] | self.amines[c] | cores
        return packed


def learn_rows(library: ProductLibrary, settings: FingerprintSettings) -> tuple[BlockRows, ProductLibrary]:
    """Learn the rows, and leave out the blocks that have none.

    Args:
        library: The blocks.
        settings: The fingerprint: ECFP of a radius of at most MAX_RADIUS.

    Returns:
        The rows, and the library that they belong to.

    Raises:
        InputError: Fingerprints of this kind are no union of rows, or no block is left.
    """
    if settings.kind != "ecfp" or settings.radius > MAX_RADIUS:
        raise InputError(
            "The best molecules of a whole library can only be found where a fingerprint is put together from blocks.",
            received=settings.description,
            expected=f"ECFP of a radius of at most {MAX_RADIUS}",
            action="Use a model that was trained with such a fingerprint, or odds of pairs of blocks.",
        )
    capped = [_capped(block) for block in library.amines]
    library = library.without(
        np.zeros(len(library.first), np.bool_),
        np.array([text in capped[:place] for place, text in enumerate(capped)], np.bool_),
        "another block is the same molecule and hangs on the core by another nitrogen",
    )
    catalogue = [*(block.text for block in library.first), *map(_capped, library.amines)]
    offset = len(library.first)
    learnt = learn_tables(_molecules(library, _varied(library)), catalogue, settings)
    found = {(row.role, row.block): row for row in learnt.tables.blocks}
    first = [found.get((ROLE_LINKER, text)) for text in catalogue[:offset]]
    amines = [found.get((ROLE_AMINE, text)) for text in catalogue[offset:]]
    kept = library.without(
        np.array([row is None for row in first], np.bool_), np.array([row is None for row in amines], np.bool_), _NO_ROW
    )
    if not (len(kept.first) and len(kept.second) and len(kept.third)):
        raise InputError(
            "No building block of one of the positions can be used.",
            received=f"{len(kept.first)}, {len(kept.second)} and {len(kept.third)} blocks; {learnt.first_refused}",
            expected="blocks that hang on a triazine core, the first with the linker [Dy]",
            action="Look at the blocks that were left out.",
        )
    kinds = sorted({row.nitrogen for row in (*first, *amines) if row})
    first_kinds, amine_kinds = (
        np.array([kinds.index(row.nitrogen) for row in rows if row], np.int64) for rows in (first, amines)
    )
    first_bits, amine_bits = (
        np.stack([np.frombuffer(row.bits, np.uint8) for row in rows if row]) for rows in (first, amines)
    )
    of_kinds = _of_each_kind(first_kinds, amine_kinds)
    catalogue = [*(block.text for block in kept.first), *map(_capped, kept.amines)]
    cores = learn_tables(_molecules(kept, of_kinds), catalogue, settings).tables.cores
    by_kinds = {(*sorted(map(kinds.index, core.nitrogens)),): np.frombuffer(core.bits, np.uint8) for core in cores}
    rows = BlockRows(first_bits, amine_bits, first_kinds, amine_kinds, by_kinds)  # type: ignore[arg-type]
    _check_cores(rows, kinds)
    return rows, kept


def _check_cores(rows: BlockRows, kinds: Sequence[str]) -> None:
    firsts, amines = np.unique(rows.first_kinds).tolist(), np.unique(rows.amine_kinds).tolist()
    for first, pair in itertools.product(firsts, itertools.combinations_with_replacement(amines, 2)):
        if tuple(sorted((first, *pair))) not in rows.cores:
            raise BelkaError(
                "The bits of a kind of core could not be learnt.",
                received=f"a core on which hang {'; '.join(kinds[kind] for kind in (first, *pair))}",
                expected="products that RDKit reads and that can be cut at their core in one way",
                action="Take the blocks that hold a triazine with three nitrogens themselves out of the library.",
            )


def _varied(library: ProductLibrary) -> Iterator[Triple]:
    """Places of the blocks of molecules in which each block occurs a few times, with others each time."""
    n_first, n_amines = len(library.first), len(library.amines)
    for number in range(_TRIED * N_REFERENCES * max(n_first, n_amines)):
        turn = number // n_amines + number // n_first
        second, third = (number * step + turn * (step + 1) for step in _STEPS)
        yield number % n_first, second % n_amines, third % n_amines


def _of_each_kind(first_kinds: Kinds, amine_kinds: Kinds) -> Iterator[Triple]:
    """Places of the blocks of a few molecules with each kind of core."""
    firsts, amines = (
        [np.flatnonzero(kinds == kind).tolist() for kind in np.unique(kinds)] for kinds in (first_kinds, amine_kinds)
    )
    pairs = list(itertools.combinations_with_replacement(amines, 2))
    for first, (second, third) in itertools.product(firsts, pairs):
        for number in range(N_REFERENCES):
            yield first[number % len(first)], second[number % len(second)], third[-1 - number % len(third)]


def _molecules(library: ProductLibrary, triples: Iterator[Triple]) -> Iterator[dict[str, Any]]:
    """Rows as `learn_tables` wants them."""
    offset = len(library.first)
    for number, (first, second, third) in enumerate(triples):
        smiles = library.smiles(first, second, third)
        ids: Sequence[int] = (first, offset + second, offset + third)
        yield {
            MOLECULE_ID: number,
            SMILES: smiles,
            SMILES_NO_LINKER: smiles.replace(LINKER, LINKER_REPLACEMENT),
            **dict(zip(BLOCK_IDS, ids, strict=True)),
        }


def _capped(block: ProductBlock) -> str:
    """The block with a hydrogen in the core's place, which is what a molecule shows when it is cut."""
    return str(Chem.CanonSmiles(f"{LINKER_REPLACEMENT}{block.text}"))
