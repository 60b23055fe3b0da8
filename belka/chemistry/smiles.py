"""The one rule of what a usable molecule is."""

from typing import Final

from rdkit import Chem
from rdkit.rdBase import BlockLogs

EMPTY_SMILES: Final = "empty SMILES"
UNPARSABLE_SMILES: Final = "unparsable SMILES"


def parse(smiles: str | None) -> Chem.Mol | str:
    """Read a SMILES with full sanitization.

    Sanitization is never skipped: a shortened parse is a third faster, but it accepts rings that RDKit cannot kekulize
    and gives other fingerprints for aromatic systems that other toolkits wrote, which no cheaper check finds.

    Args:
        smiles: The text; None = missing.

    Returns:
        A molecule with at least one atom, or the reason why there is none: EMPTY_SMILES or UNPARSABLE_SMILES.
    """
    if not smiles:
        return EMPTY_SMILES
    with BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    return UNPARSABLE_SMILES if molecule is None or not molecule.GetNumAtoms() else molecule
