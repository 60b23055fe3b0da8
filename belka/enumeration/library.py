"""The blocks of a library and the molecules that they can be joined to, each of them once.

A molecule is a first block, which carries the linker, a block of the second position and one of the third. The core is
symmetric in these two: where each of two blocks stands in both positions' lists, they make one molecule, not two.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from belka.chemistry.blocks.join import join_blocks
from belka.errors import BelkaError

Places = NDArray[np.int64]


class ProductBlock(NamedTuple):
    """A building block.

    Attributes:
        listed: SMILES as the library lists it.
        text: How it hangs on the core, see `belka.chemistry.blocks.join`.
    """

    listed: str
    text: str


class LeftOut(NamedTuple):
    """A block of which no product is looked at.

    Attributes:
        position: 1, 2 or 3; 0 for both 2 and 3.
        listed: SMILES as the library lists it, or the line of a file.
        reason: Why.
    """

    position: int
    listed: str
    reason: str


@dataclass(frozen=True)
class ProductLibrary:
    """The blocks of a library.

    Attributes:
        first: Blocks of position 1, in the order of their listed SMILES.
        amines: Different blocks of positions 2 and 3, likewise.
        second: int64 [n_second], ascending places in `amines` of those of position 2.
        third: int64 [n_third], of those of position 3.
        left_out: Blocks of the library that are not here.
    """

    first: tuple[ProductBlock, ...]
    amines: tuple[ProductBlock, ...]
    second: Places
    third: Places
    left_out: tuple[LeftOut, ...] = ()

    @property
    def size(self) -> int:
        """Different molecules."""
        shared = len(np.intersect1d(self.second, self.third))
        return len(self.first) * (len(self.second) * len(self.third) - shared * (shared - 1) // 2)

    def is_repeated(self, second: Places, third: Places) -> NDArray[np.bool_]:
        """Whether a pair of amines, in the other order, is the one that counts.

        Args:
            second: int64 [...], places in `amines`, of `self.second`.
            third: int64 [...], of `self.third`; the two are broadcast.

        Returns:
            bool [...].
        """
        in_both = np.zeros(len(self.amines), np.bool_)
        in_both[np.intersect1d(self.second, self.third)] = True
        repeated: NDArray[np.bool_] = (second > third) & in_both[second] & in_both[third]
        return repeated

    def smiles(self, first: int, second: int, third: int) -> str:
        """The molecule of three blocks in the one spelling, with its linker.

        Args:
            first: Place in `self.first`.
            second: Place in `self.amines`.
            third: Place in `self.amines`.

        Raises:
            BelkaError: RDKit cannot read the molecule.
        """
        blocks = (self.first[first], self.amines[second], self.amines[third])
        smiles = join_blocks(*(block.text for block in blocks))
        if smiles is None:
            raise BelkaError(
                "Three building blocks cannot be joined.",
                received=", ".join(block.listed for block in blocks),
                expected="blocks of which RDKit can read the product",
                action="Take one of them out of the library.",
            )
        return smiles

    def without(self, first: NDArray[np.bool_], amines: NDArray[np.bool_], reason: str) -> "ProductLibrary":
        """The library without some blocks.

        Args:
            first: bool [n_first], which to leave out.
            amines: bool [n_amines], likewise.
            reason: Why.
        """
        left_out = [LeftOut(1, self.first[i].listed, reason) for i in np.flatnonzero(first)]
        left_out += [LeftOut(0, self.amines[i].listed, reason) for i in np.flatnonzero(amines)]
        place = np.cumsum(~amines) - 1
        return ProductLibrary(
            tuple(block for block, gone in zip(self.first, first, strict=True) if not gone),
            tuple(block for block, gone in zip(self.amines, amines, strict=True) if not gone),
            place[self.second[~amines[self.second]]],
            place[self.third[~amines[self.third]]],
            (*self.left_out, *left_out),
        )


def make_library(
    positions: tuple[Iterable[ProductBlock], Iterable[ProductBlock], Iterable[ProductBlock]],
    left_out: Iterable[LeftOut] = (),
) -> ProductLibrary:
    """Put the blocks of three positions in order; of blocks that hang on the core alike, one counts.

    Args:
        positions: The blocks of each position; those of the first have the linker.
        left_out: Blocks that cannot be used.
    """
    first, second, third = (sorted(set(blocks)) for blocks in positions)
    gone = list(left_out)
    firsts = _different(first)
    amines = _different(sorted({*second, *third}))
    for position, blocks in enumerate((first, second, third), 1):
        kept = firsts if position == 1 else amines
        gone += [
            LeftOut(position, block.listed, f"the same block as {kept[block.text].listed}")
            for block in blocks
            if kept[block.text] != block
        ]
    places = {text: place for place, text in enumerate(amines)}
    second_places, third_places = (
        np.unique(np.array([places[block.text] for block in blocks], np.int64)) for blocks in (second, third)
    )
    return ProductLibrary(tuple(firsts.values()), tuple(amines.values()), second_places, third_places, tuple(gone))


def _different(blocks: Iterable[ProductBlock]) -> dict[str, ProductBlock]:
    """Text -> the first block with it, in the order of the blocks."""
    found: dict[str, ProductBlock] = {}
    for block in blocks:
        found.setdefault(block.text, block)
    return found
