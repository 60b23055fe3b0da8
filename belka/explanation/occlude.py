"""A molecule as a model gets it, with some atoms hidden in all that the model reads.

In the text the token of a hidden atom is [MASK], which models know from their pre-training. In a circular fingerprint
those bits are gone that no environment without a hidden atom sets; in the bits of building blocks likewise.

Source: Riniker, Landrum: Similarity maps, J. Cheminform. 5, 43 (2013), for fingerprints; Zeiler, Fergus: Visualizing
and understanding convolutional networks, ECCV 2014, for occlusion.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from belka.chemistry.blocks.feature import BLOCKS_ECFP
from belka.chemistry.blocks.fragment import DYSPROSIUM, BlockPlace, block_places
from belka.chemistry.ecfp import packed_bits
from belka.chemistry.fingerprints import FingerprintSettings
from belka.chemistry.smiles import parse
from belka.contract import LINKER, LINKER_REPLACEMENT, MASK_TOKEN
from belka.errors import BelkaError
from belka.models.folder import ModelFolder
from belka.predict.check import CheckedSmiles
from belka.tokens.grammar import BRACKET_OPEN, split_tokens


class Inputs(NamedTuple):
    """What a model gets of a molecule."""

    smiles: str
    ecfp: bytes
    blocks: bytes


class OccludableMolecule:
    """One molecule.

    Args:
        checked: The molecule as `belka predict` would score it.
        model: The model that scores it.

    Attributes:
        n_atoms: Atoms but hydrogen and the linker; they are numbered in the order of the SMILES.
        molecule: The molecule with its linker.
        blocks: The block with the linker, then the two others; empty where it has no three blocks.
    """

    def __init__(self, checked: CheckedSmiles, model: ModelFolder) -> None:
        marked, plain = parse(checked.smiles), parse(checked.smiles.replace(LINKER, LINKER_REPLACEMENT))
        assert isinstance(marked, Chem.Mol), "a molecule that was checked"
        assert isinstance(plain, Chem.Mol), "a molecule that was checked"
        self.molecule, self._checked = marked, checked
        own = [atom.GetIdx() for atom in marked.GetAtoms() if atom.GetAtomicNum() != DYSPROSIUM]
        self._number = {index: number for number, index in enumerate(own)}
        self.n_atoms = len(own)
        if self.n_atoms != plain.GetNumAtoms():
            raise BelkaError(
                "The molecule with and without its linker has other atoms.",
                received=checked.smiles,
                expected="a linker that hangs on one atom",
                action="Leave the molecule out.",
            )
        self.blocks = _three_blocks(marked)
        self._tokens = split_tokens(checked.smiles)
        self._token_of = self._tokens_of_atoms()
        self._ecfp = None
        if model.ecfp is not None and model.ecfp.kind == "ecfp":
            self._ecfp = Environments(plain, model.ecfp)
        self._environments = Environments(plain, BLOCKS_ECFP) if checked.blocks else None

    def atoms_of(self, block: BlockPlace) -> list[int]:
        """Numbers of the atoms of a block."""
        return [self._number[atom] for atom in block.atoms]

    def symbol(self, number: int) -> str:
        """Element of an atom."""
        index = next(index for index, place in self._number.items() if place == number)
        return str(self.molecule.GetAtomWithIdx(index).GetSymbol())

    def occluded(self, atoms: Collection[int]) -> Inputs:
        """What the model gets where some atoms are hidden.

        Args:
            atoms: Their numbers; none = the molecule as it is.
        """
        tokens = list(self._tokens)
        for number in atoms if self._token_of else ():
            tokens[self._token_of[number]] = MASK_TOKEN
        text = "".join(tokens) if self._token_of else self._checked.smiles
        ecfp = self._checked.ecfp if self._ecfp is None else self._ecfp.packed(atoms)
        return Inputs(text, ecfp, self._block_bits(atoms))

    def _block_bits(self, atoms: Collection[int]) -> bytes:
        if self._environments is None or not atoms:
            return self._checked.blocks
        found = []
        for block in self.blocks:
            centres = [*self.atoms_of(block), self._number[block.core_carbon]]
            bits = (self._environments.packed((), centres), self._environments.packed(atoms, centres))
            found.append((not block.has_linker, *bits))
        # The order of the two others is that of the whole blocks.
        return b"".join(hidden for *_, hidden in sorted(found))

    def _tokens_of_atoms(self) -> list[int]:
        """The token of each atom; empty where the text does not show one for each."""
        is_atom = [token[0] == BRACKET_OPEN or token[0].isalpha() or token == "*" for token in self._tokens]  # noqa: S105
        places = [
            place
            for place, token in enumerate(self._tokens)
            if is_atom[place] and token not in (LINKER, LINKER_REPLACEMENT)
        ]
        whole = "".join(self._tokens) == self._checked.smiles and len(places) == self.n_atoms
        return places if whole else []


class Environments:
    """The circular environments of a molecule, and the bits they set.

    Args:
        molecule: A sanitized molecule.
        settings: A circular fingerprint.
    """

    def __init__(self, molecule: Chem.Mol, settings: FingerprintSettings) -> None:
        output = rdFingerprintGenerator.AdditionalOutput()
        output.AllocateBitInfoMap()
        generator = rdFingerprintGenerator.GetMorganGenerator(
            radius=settings.radius, fpSize=settings.size, includeChirality=settings.chirality
        )
        generator.GetFingerprint(molecule, additionalOutput=output)
        found = [(bit, *place) for bit, places in output.GetBitInfoMap().items() for place in places]
        self._bits, self._centres, radii = np.array(found, np.int64).reshape(-1, 3).T
        distances = Chem.GetDistanceMatrix(molecule)
        self._holds = np.asarray(distances[self._centres] <= radii[:, None])
        self._size = settings.size

    def packed(self, hidden: Collection[int], centres: Collection[int] | None = None) -> bytes:
        """Bits of the environments that hold no hidden atom, as `numpy.packbits` packs them.

        Args:
            hidden: Numbers of atoms.
            centres: Environments around these atoms alone; None = all.
        """
        kept = ~self._holds[:, list(hidden)].any(axis=1)
        if centres is not None:
            kept &= np.isin(self._centres, list(centres))
        return packed_bits(self._bits[kept].tolist(), self._size)


def _three_blocks(molecule: Chem.Mol) -> tuple[BlockPlace, ...]:
    """The blocks of a molecule that can be cut in one way, the one with the linker first."""
    cuts = [cut for cut in block_places(molecule) if sum(block.has_linker for block in cut) == 1]
    return tuple(sorted(cuts[0], key=lambda block: not block.has_linker)) if len(cuts) == 1 else ()
