"""Fingerprint bits of a molecule without its linker, told by the atoms of the molecule with it.

The linker shows which block is the first; the fingerprint is that of the molecule without. Both texts have the same
atoms in the same order but for the linker's, so an index of the one gives that of the other.
"""

from collections.abc import Iterable
from itertools import chain

from rdkit import Chem

from belka.chemistry.blocks.fragment import DYSPROSIUM, BlockPlace
from belka.chemistry.ecfp import Ecfp, packed_bits


class CentredBits:
    """The bits around the atoms of one molecule.

    Args:
        marked: The molecule with the linker [Dy].
        plain: The molecule without it, as the text with [H] in its place reads.
        ecfp: Computes the fingerprint.

    Raises:
        ValueError: The two have other atoms.
    """

    def __init__(self, marked: Chem.Mol, plain: Chem.Mol, ecfp: Ecfp) -> None:
        elements = [atom.GetAtomicNum() for atom in marked.GetAtoms()]
        kept = [index for index, element in enumerate(elements) if element != DYSPROSIUM]
        if [elements[index] for index in kept] != [atom.GetAtomicNum() for atom in plain.GetAtoms()]:
            raise ValueError("the SMILES with and without linker have other atoms")
        self._plain, self._size = plain, ecfp.size
        self._position = {index: new for new, index in enumerate(kept)}
        _, self._bits = ecfp.pack_with_centres(plain)

    def packed(self, atoms: Iterable[int]) -> bytes:
        """The bits centred on atoms of the marked molecule, as `numpy.packbits` packs them."""
        return packed_bits(chain.from_iterable(self._bits[self._position[atom]] for atom in atoms), self._size)

    def of_block(self, block: BlockPlace) -> bytes:
        """The bits of a block: those centred on its atoms and on the core's carbon it hangs on."""
        return self.packed((*block.atoms, block.core_carbon))

    def plain_atom(self, atom: int) -> Chem.Atom:
        """The atom of the plain molecule that is an atom of the marked one."""
        return self._plain.GetAtomWithIdx(self._position[atom])
