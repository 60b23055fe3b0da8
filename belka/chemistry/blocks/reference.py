"""Split the fingerprint of a real molecule into the parts its building blocks and its core contribute.

An environment of radius 2 around an atom of a block never reaches into another block, so its bits belong to the block
alone; the bits around the core's carbons belong to the block that hangs there. The bits around the core's three
nitrogens depend on nothing but the kinds of the attached nitrogens (their radius-0 invariants).

Source: Rogers, Hahn: Extended-connectivity fingerprints, J. Chem. Inf. Model. 50, 742 (2010).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import pyarrow as pa
from rdkit import Chem

from belka.chemistry.blocks.centred_bits import CentredBits
from belka.chemistry.blocks.checksum import smiles_checksums
from belka.chemistry.blocks.fragment import BlockFragment, CoreCut, block_components, cut_at_core
from belka.chemistry.ecfp import Ecfp
from belka.chemistry.fingerprints import FingerprintSettings
from belka.chemistry.smiles import parse

# An environment of a larger radius reaches from one block through the core into the next.
MAX_RADIUS: Final = 2


class UnusableReferenceError(Exception):
    """A molecule that teaches nothing.

    Args:
        reason: Why, in words that are the same for all such molecules.
        detail: What was seen in this one.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} {detail}".strip())
        self.reason = reason


@dataclass(frozen=True)
class BlockPart:
    """What a block contributes to every molecule that holds it.

    Attributes:
        bits: Packed bits (numpy.packbits) around the block's atoms and the core's carbon it hangs on.
        nitrogen: Kind of the nitrogen that hangs on the core.
        checksum: Checksum of the block's SMILES.
        fragment: The block's canonical SMILES within the molecule.
    """

    bits: bytes
    nitrogen: str
    checksum: int
    fragment: str


@dataclass(frozen=True)
class Reference:
    """A molecule taken apart.

    Attributes:
        blocks: The part of each block, in the order of the molecule's block ids.
        nitrogens: Kinds of the three attached nitrogens, sorted.
        core_bits: Packed bits around the core's nitrogens.
    """

    blocks: tuple[BlockPart, ...]
    nitrogens: tuple[str, ...]
    core_bits: bytes


class ReferenceReader:
    """Takes molecules apart.

    Args:
        settings: The fingerprint; its radius is at most MAX_RADIUS.
        catalogue: SMILES of the building blocks as listed; the index is the block id.
    """

    def __init__(self, settings: FingerprintSettings, catalogue: Sequence[str]) -> None:
        self._components_of = cache(lambda block_id: block_components(catalogue[block_id]))
        self._ecfp = Ecfp(settings)

    def read(self, smiles: str, smiles_no_linker: str, block_ids: Sequence[int]) -> Reference:
        """Take one molecule apart.

        Args:
            smiles: With the linker [Dy], which shows the first block.
            smiles_no_linker: What the fingerprint is computed of.
            block_ids: The three blocks the molecule is listed with.

        Returns:
            Its parts.

        Raises:
            UnusableReferenceError: If the molecule has no such core, no linker, or other blocks than listed.
        """
        marked, plain = parse(smiles), parse(smiles_no_linker)
        if isinstance(marked, str):
            raise UnusableReferenceError(marked)
        if isinstance(plain, str):
            raise UnusableReferenceError(plain)
        second, third = (self._components_of(block_id) for block_id in block_ids[1:])
        blocks, cut = identify_blocks(cut_at_core(marked), second, third)
        try:
            bits = CentredBits(marked, plain, self._ecfp)
        except ValueError as error:
            raise UnusableReferenceError(str(error)) from error
        parts = tuple(
            BlockPart(
                bits.of_block(block),
                _kind(bits.plain_atom(block.nitrogen)),
                int(smiles_checksums(pa.array([block.smiles]))[0]),
                block.smiles,
            )
            for block in blocks
        )
        return Reference(parts, tuple(sorted(part.nitrogen for part in parts)), bits.packed(cut.ring_nitrogens))


def identify_blocks(
    cuts: Sequence[CoreCut], second: frozenset[str], third: frozenset[str]
) -> tuple[list[BlockFragment], CoreCut]:
    """Find the one cut that gives the listed blocks, and put its fragments in their order.

    Args:
        cuts: What `cut_at_core` gives of a molecule with its linker.
        second: `block_components` of the block that is listed second.
        third: Of the one listed third.

    Returns:
        The fragments: that with the linker, the second, the third; and the cut.

    Raises:
        UnusableReferenceError: No cut gives the listed blocks, or several do.
    """
    marked = [cut for cut in cuts if [block.has_linker for block in cut.blocks] == [True, False, False]]
    if not marked:
        raise UnusableReferenceError("no triazine core with the linker on one of its blocks")
    found: list[tuple[list[BlockFragment], CoreCut]] = []
    for cut in marked:
        first, *amines = cut.blocks
        # Equal fragments fit in both orders, which makes no difference.
        orders = [amines] if amines[0].smiles == amines[1].smiles else [amines, amines[::-1]]
        found += [([first, *pair], cut) for pair in orders if pair[0].smiles in second and pair[1].smiles in third]
    if len(found) != 1:
        seen = "; ".join(".".join(block.smiles for block in cut.blocks) for cut in marked)
        raise UnusableReferenceError("its fragments are not the blocks it is listed with:", seen)
    return found[0]


def _kind(atom: Chem.Atom) -> str:
    """Describe an atom by what its Morgan invariant of radius 0 consists of."""
    ring = "in a ring" if atom.IsInRing() else "in no ring"
    return (
        f"{atom.GetSymbol()}, {atom.GetTotalDegree()} neighbours, {atom.GetTotalNumHs()} hydrogens, "
        f"charge {atom.GetFormalCharge()}, isotope {atom.GetIsotope()}, {ring}"
    )
