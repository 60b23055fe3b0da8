"""How a building block that is written as it is bought hangs on the core, where its structure tells so in one way.

Position 1 is an amino acid, Fmoc-protected or free, whose acid carries the linker as an amide; positions 2 and 3 are
amines, maybe with a salt. A block with several nitrogens that could hang on the core is not guessed at: write `*` in
the core's place, and in the first block the linker [Dy].
"""

from functools import cache
from typing import Final

from rdkit import Chem

from belka.chemistry.blocks.join import text_of_attached
from belka.chemistry.smiles import parse
from belka.chemistry.standardise import neutral_parent
from belka.contract import LINKER

_FMOC: Final = "[NX3]C(=O)OCC1c2ccccc2-c2ccccc12"
_ACID: Final = "[CX3](=O)[OX2H1]"
# A nitrogen with a hydrogen that is no amide, sulfonamide, amidine, hydrazine or cyanamide.
_AMINE: Final = "[NX3;H1,H2;!$(N[#6,#16,#15]=[#8,#16,#7]);!$(N[#7,#8]);!$(NC#N)]"
_PLACE_OF_CORE: Final = "*"


class UnclearBlockError(Exception):
    """Where a block hangs on the core cannot be told; the message says why."""


def first_text(smiles: str) -> str:
    """The text of a block of position 1, see `belka.chemistry.blocks.join`.

    Args:
        smiles: As it is bought, or with `*` and [Dy].

    Raises:
        UnclearBlockError: Its structure does not tell one.
    """
    if _PLACE_OF_CORE not in smiles:
        molecule = Chem.RWMol(_parent(smiles))
        fmoc, acids = (molecule.GetSubstructMatches(_pattern(each)) for each in (_FMOC, _ACID))
        if len(acids) != 1:
            raise UnclearBlockError(f"{len(acids)} carboxylic acids that could carry the linker, and no {LINKER}")
        if len(fmoc) > 1:
            raise UnclearBlockError(f"{len(fmoc)} Fmoc groups")
        nitrogen = fmoc[0][0] if fmoc else _only_amine(molecule)
        _hang(molecule, nitrogen, 0)
        oxygen = molecule.GetAtomWithIdx(acids[0][2])
        oxygen.SetAtomicNum(7)
        _hang(molecule, oxygen.GetIdx(), 66)
        if fmoc:
            molecule.RemoveBond(nitrogen, fmoc[0][1])
        smiles = _of_marked(molecule)
    if smiles.count(LINKER) != 1:
        raise UnclearBlockError(f"{smiles.count(LINKER)} linkers {LINKER} instead of one")
    return _text(smiles)


def amine_text(smiles: str) -> str:
    """The same of a block of position 2 or 3."""
    if LINKER in smiles:
        raise UnclearBlockError(f"a linker {LINKER} in a block of position 2 or 3")
    if _PLACE_OF_CORE not in smiles:
        molecule = Chem.RWMol(_parent(smiles))
        _hang(molecule, _only_amine(molecule), 0)
        smiles = _of_marked(molecule)
    return _text(smiles)


def _parent(smiles: str) -> Chem.Mol:
    molecule = parse(smiles)
    if isinstance(molecule, str):
        raise UnclearBlockError(molecule)
    return neutral_parent(molecule)[0]


def _only_amine(molecule: Chem.Mol) -> int:
    matches = molecule.GetSubstructMatches(_pattern(_AMINE))
    if len(matches) != 1:
        raise UnclearBlockError(f"{len(matches)} nitrogens that could hang on the core, and no {_PLACE_OF_CORE}")
    nitrogen: int = matches[0][0]
    return nitrogen


def _hang(molecule: Chem.RWMol, atom: int, element: int) -> None:
    """Bond an atom of an element in place of a hydrogen."""
    place = molecule.GetAtomWithIdx(atom)
    place.SetNumExplicitHs(max(0, place.GetNumExplicitHs() - 1))
    molecule.AddBond(atom, molecule.AddAtom(Chem.Atom(element)), Chem.BondType.SINGLE)


def _of_marked(molecule: Chem.RWMol) -> str:
    """SMILES of the part that hangs on the core; a protecting group that was cut off is another part."""
    parts = Chem.GetMolFrags(molecule, asMols=True, sanitizeFrags=False)
    part = next(each for each in parts if any(not atom.GetAtomicNum() for atom in each.GetAtoms()))
    Chem.SanitizeMol(part)
    return str(Chem.MolToSmiles(part))


def _text(smiles: str) -> str:
    text = text_of_attached(smiles)
    if text is None:
        raise UnclearBlockError(f"no molecule with one {_PLACE_OF_CORE} that hangs on a nitrogen by a single bond")
    return text


@cache
def _pattern(smarts: str) -> Chem.Mol:
    return Chem.MolFromSmarts(smarts)
