"""Cut a molecule of a triazine library into its three building blocks.

The library's core is a 1,3,5-triazine with a nitrogen on each of its carbons, and each block hangs on one of these
nitrogens: `c1(N-block 1)nc(N-block 2)nc(N-block 3)n1`. The DNA linker, written [Dy], hangs on block 1.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from rdkit import Chem

from belka.chemistry.smiles import parse

DYSPROSIUM: Final = 66  # stands for the DNA linker in the library's SMILES
_CORE: Final = Chem.MolFromSmarts("c1(-[#7])nc(-[#7])nc(-[#7])n1")
# Positions within a match of _CORE.
_CARBONS: Final = (0, 3, 6)
_ATTACHED: Final = (1, 4, 7)
_RING_NITROGENS: Final = (2, 5, 8)


@dataclass(frozen=True)
class BlockPlace:
    """Where one building block is in a molecule.

    Attributes:
        atoms: Indices of its atoms in the molecule, ascending, without the linker's.
        nitrogen: Index of the atom that hangs on the core; one of `atoms`.
        core_carbon: Index of the core's atom it hangs on.
        has_linker: Whether the DNA linker [Dy] hangs on this block.
    """

    atoms: tuple[int, ...]
    nitrogen: int
    core_carbon: int
    has_linker: bool


@dataclass(frozen=True)
class BlockFragment(BlockPlace):
    """One building block as it occurs in a molecule.

    Attributes:
        smiles: Canonical isomeric SMILES; the bond to the core, and the one to the linker, end in a hydrogen.
    """

    smiles: str


@dataclass(frozen=True)
class CoreCut:
    """A molecule cut at one core.

    Attributes:
        blocks: The block with the linker first, the others by SMILES; without a linker all by SMILES.
        ring_nitrogens: Indices of the core's nitrogens.
    """

    blocks: tuple[BlockFragment, ...]
    ring_nitrogens: tuple[int, ...]


def cut_at_core(molecule: Chem.Mol) -> list[CoreCut]:
    """Find every way to cut a molecule into three blocks at a triazine.

    Args:
        molecule: A sanitized molecule, with the linker [Dy] or without.

    Returns:
        One cut for each core whose three exocyclic bonds lie in no ring; empty where there is none, several where a
        block holds such a triazine itself.
    """
    return [_cut(molecule, match, bonds) for match, bonds in _open_cores(molecule)]


def block_places(molecule: Chem.Mol) -> list[tuple[BlockPlace, ...]]:
    """Find the three blocks at every core, without their SMILES, which take most of `cut_at_core`'s time.

    Args:
        molecule: A sanitized molecule, with the linker [Dy] or without.

    Returns:
        For each core that `cut_at_core` cuts at, its blocks in the order of the core's carbons.
    """
    found = []
    for match, bonds in _open_cores(molecule):
        pieces = Chem.GetMolFrags(Chem.FragmentOnBonds(molecule, bonds, addDummies=False))
        found.append(
            tuple(
                _place(molecule, next(piece for piece in pieces if match[nitrogen] in piece), match, carbon, nitrogen)
                for carbon, nitrogen in zip(_CARBONS, _ATTACHED, strict=True)
            )
        )
    return found


def block_components(smiles: str) -> frozenset[str]:
    """Return the canonical isomeric SMILES of the components of a catalogue block: the block and the ions of its salt.

    Args:
        smiles: The block as the library lists it, for example `NCC(F)(F)F.Cl`.

    Returns:
        The components; empty if RDKit cannot read the SMILES.
    """
    molecule = parse(smiles)
    if isinstance(molecule, str):
        return frozenset()
    return frozenset(Chem.CanonSmiles(part) for part in Chem.MolToSmiles(molecule).split(".") if part)


def _open_cores(molecule: Chem.Mol) -> Iterator[tuple[tuple[int, ...], list[int]]]:
    """Yield the matches of _CORE whose bonds to the blocks lie in no ring, with the indices of these bonds."""
    for match in molecule.GetSubstructMatches(_CORE):
        bonds = [
            molecule.GetBondBetweenAtoms(match[carbon], match[nitrogen])
            for carbon, nitrogen in zip(_CARBONS, _ATTACHED, strict=True)
        ]
        if not any(bond.IsInRing() for bond in bonds):
            yield match, [bond.GetIdx() for bond in bonds]


def _cut(molecule: Chem.Mol, match: tuple[int, ...], bonds: list[int]) -> CoreCut:
    # The pieces keep the atom order of the molecule; the dummy atoms at the cut bonds come after them.
    opened = Chem.FragmentOnBonds(molecule, bonds, dummyLabels=[(0, 0)] * len(bonds))
    indices: list[tuple[int, ...]] = []
    pieces = Chem.GetMolFrags(opened, asMols=True, sanitizeFrags=False, fragsMolAtomMapping=indices)
    blocks = []
    for carbon, nitrogen in zip(_CARBONS, _ATTACHED, strict=True):
        number = next(i for i, atoms in enumerate(indices) if match[nitrogen] in atoms)
        place = _place(molecule, indices[number], match, carbon, nitrogen)
        blocks.append(BlockFragment(**vars(place), smiles=_capped_smiles(pieces[number])))
    blocks.sort(key=lambda block: (not block.has_linker, block.smiles))
    return CoreCut(tuple(blocks), tuple(match[position] for position in _RING_NITROGENS))


def _place(molecule: Chem.Mol, piece: Iterable[int], match: tuple[int, ...], carbon: int, nitrogen: int) -> BlockPlace:
    """Describe the block of a piece, whose indices beyond the molecule's are dummies, by positions within _CORE."""
    atoms = sorted(atom for atom in piece if atom < molecule.GetNumAtoms())
    own = tuple(atom for atom in atoms if molecule.GetAtomWithIdx(atom).GetAtomicNum() != DYSPROSIUM)
    return BlockPlace(own, match[nitrogen], match[carbon], has_linker=len(own) < len(atoms))


def _capped_smiles(piece: Chem.Mol) -> str:
    """Replace the open ends and the linker by hydrogens and write the canonical SMILES."""
    capped = Chem.RWMol(piece)
    for atom in capped.GetAtoms():
        if atom.GetAtomicNum() in (0, DYSPROSIUM):
            atom.SetAtomicNum(1)
            atom.SetIsotope(0)
    Chem.SanitizeMol(capped)
    # The text is parsed again because RDKit's canonical order depends on perceptions that only parsing renews.
    return str(Chem.CanonSmiles(Chem.MolToSmiles(Chem.RemoveHs(capped))))
