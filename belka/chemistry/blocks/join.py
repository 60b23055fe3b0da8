"""Join three building blocks at the triazine core, and the texts by which blocks hang on it: `cut_at_core` undone.

A block's text begins with the atom that hangs on the core, whose hydrogen it lacks: `NCC#C` for propargylamine. That of
the first block holds the linker [Dy].
"""

from typing import Final

from rdkit import Chem

from belka.chemistry.blocks.fragment import BlockPlace
from belka.chemistry.smiles import parse
from belka.chemistry.spelling import spell

_RING: Final = "%99"  # closes the core; RDKit writes the lowest number that is free, and no block has so many rings
_PLACE_OF_CORE: Final = "*"


def join_blocks(first: str, second: str, third: str) -> str | None:
    """Attach three blocks to the triazine.

    Args:
        first: Text of the block with the linker, see the top of this file.
        second: Text of one of the others.
        third: Text of the other one; the core is symmetric in these two.

    Returns:
        The molecule in the one spelling (`belka.chemistry.spelling`); None where RDKit reads none.
    """
    molecule = parse(f"c{_RING}({first})nc({second})nc({third})n{_RING}")
    return None if isinstance(molecule, str) else spell(molecule)


def attached_text(molecule: Chem.Mol, block: BlockPlace) -> str:
    """Write a block of a molecule as the text that hangs on the core.

    Args:
        molecule: A sanitized molecule, with its linker.
        block: One of its blocks.
    """
    bond = molecule.GetBondBetweenAtoms(block.core_carbon, block.nitrogen).GetIdx()
    opened = Chem.FragmentOnBonds(molecule, [bond], dummyLabels=[(0, 0)])
    indices: list[tuple[int, ...]] = []
    pieces = Chem.GetMolFrags(opened, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=indices)
    number = next(i for i, atoms in enumerate(indices) if block.nitrogen in atoms)
    piece = pieces[number]
    hangs_on_core = piece.GetAtomWithIdx(indices[number].index(block.nitrogen))
    place = next(atom.GetIdx() for atom in hangs_on_core.GetNeighbors() if not atom.GetAtomicNum())
    return str(Chem.MolToSmiles(piece, rootedAtAtom=place)).removeprefix(_PLACE_OF_CORE)


def text_of_attached(smiles: str) -> str | None:
    """Rewrite a block whose place of the core is written `*` from that place on.

    Args:
        smiles: For example `C#CCN*`, or `*NCC(=O)N[Dy]`.

    Returns:
        The text; None where RDKit reads no molecule, or the place is not one single bond to a nitrogen.
    """
    molecule = parse(smiles)
    if isinstance(molecule, str):
        return None
    places = [atom for atom in molecule.GetAtoms() if not atom.GetAtomicNum()]
    if len(places) != 1 or places[0].GetDegree() != 1 or places[0].GetIsotope():
        return None
    bond = places[0].GetBonds()[0]
    if bond.GetBondType() != Chem.BondType.SINGLE or bond.GetOtherAtom(places[0]).GetSymbol() != "N":
        return None
    text = str(Chem.MolToSmiles(molecule, rootedAtAtom=places[0].GetIdx()))
    return text.removeprefix(_PLACE_OF_CORE)
