"""The neutral parent of a molecule: what is left of a salt, a solvate or a charged form.

Source: rdMolStandardize of RDKit, after MolVS (https://molvs.readthedocs.io): LargestFragmentChooser and Uncharger. The
other steps of a clean-up are left out: disconnecting metals would cut off the linker's [Dy].
"""

from functools import cache

from rdkit import Chem
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.rdBase import BlockLogs


def neutral_parent(molecule: Chem.Mol) -> tuple[Chem.Mol, str]:
    """Keep the largest organic part, and take and give protons until it is neutral, as far as that goes.

    Tautomers, isotopes and stereo stay as they are, and so do charges that no proton carries (quaternary nitrogen).

    Args:
        molecule: A sanitized molecule, with its linker if it has one.

    Returns:
        The parent, and what was done, for a warning; empty where nothing was.
    """
    chooser, uncharger = _tools()
    done = []
    with BlockLogs():
        parts = len(Chem.GetMolFrags(molecule))
        parent = chooser.choose(molecule)
        if parts > 1:
            done.append(f"the largest of {parts} parts")
        neutral = uncharger.uncharge(parent)
    charges = [[atom.GetFormalCharge() for atom in each.GetAtoms()] for each in (parent, neutral)]
    if charges[0] != charges[1]:
        done.append("uncharged")
    return neutral, " and ".join(done)


@cache
def _tools() -> tuple[rdMolStandardize.LargestFragmentChooser, rdMolStandardize.Uncharger]:
    return rdMolStandardize.LargestFragmentChooser(preferOrganic=True), rdMolStandardize.Uncharger()
