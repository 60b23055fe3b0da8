"""The one spelling of a molecule that the molecules table, the models and prediction share.

It is RDKit's canonical SMILES of the molecule with its linker, in which the linker's nitrogen is written as the BELKA
files write it. So two texts of one structure, Kekulé or aromatic, from whatever atom, are one molecule. Isotopes and
stereo belong to the structure; tautomers and protonation states are structures of their own, and a molecule without the
linker is another than the one with it.

Canonical is what RDKit made of the molecule before [Dy] became [H]: a hydrogen is no atom to RDKit, and the text after
the replacement is never canonical again. Hence a text is spelled first and its linker replaced afterwards.

Source: Weininger, Weininger, Weininger: SMILES. 2., J. Chem. Inf. Comput. Sci. 29, 97 (1989); Schneider, Sahnoun,
Landrum: Get Your Atoms in Order, J. Chem. Inf. Model. 55, 2111 (2015), which is what RDKit does.
"""

from collections.abc import Sequence
from typing import Final

from rdkit import Chem

from belka.chemistry.smiles import parse
from belka.contract import LINKER, LINKER_REPLACEMENT

CANONICAL: Final = "canonical"  # the value of data.spelling
_LINKER_RDKIT: Final = "[NH][Dy]"
_LINKER_BELKA: Final = "N[Dy]"


def spell(molecule: Chem.Mol) -> str:
    """Write a molecule in the one spelling.

    Args:
        molecule: A sanitized molecule, with its linker if it has one.
    """
    return str(Chem.MolToSmiles(molecule)).replace(_LINKER_RDKIT, _LINKER_BELKA)


def canonical_spelling(smiles: str) -> str | None:
    """Bring a SMILES to the one spelling.

    Args:
        smiles: Any SMILES, with its linker if it has one.

    Returns:
        The text; None where `smiles` is no molecule, for the reason that `parse` gives.
    """
    molecule = parse(smiles)
    return None if isinstance(molecule, str) else spell(molecule)


def with_linker(smiles: str) -> str:
    """Give a text its linker back that the column smiles_no_linker of the molecules table writes as its only [H]."""
    is_replaced = LINKER not in smiles and smiles.count(LINKER_REPLACEMENT) == 1
    return smiles.replace(LINKER_REPLACEMENT, LINKER) if is_replaced else smiles


def canonical_spellings(texts: Sequence[str]) -> list[str]:
    """Bring texts to the one spelling, each by itself; what is no molecule keeps its text.

    RDKit holds the interpreter's lock, so several at once take several processes.
    """
    return [canonical_spelling(text) or text for text in texts]
