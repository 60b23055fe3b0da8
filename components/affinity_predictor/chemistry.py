"""What RDKit tells about a molecule: whether it is one, the fingerprint a model reads, and its building blocks.

A block is told by the bits of the circular fingerprint that are centred on its atoms. They reach no further than the core, so they
are the same in every molecule with the block, and cost a fraction of cutting the molecule and writing the block's SMILES.

Source: Rogers, Hahn: Extended-connectivity fingerprints, J. Chem. Inf. Model. 50, 742 (2010).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from rdkit.DataStructs import BitVectToBinaryText
from rdkit.rdBase import BlockLogs

from components.block_fingerprints.fragment import block_atoms
from components.data_contract import EcfpDescription

BLOCK_BITS: Final = 2048
_BLOCK_RADIUS: Final = 2
_MAX_KNOWN: Final = 100_000  # blocks whose similarity is kept


class Chemistry:
    """Reads molecules.

    Args:
        ecfp: The fingerprint to compute; None = none.
    """

    def __init__(self, ecfp: EcfpDescription | None = None) -> None:
        self._ecfp: Any = ecfp and rdFingerprintGenerator.GetMorganGenerator(
            radius=ecfp.radius, fpSize=ecfp.size, includeChirality=ecfp.chirality
        )
        self._blocks = rdFingerprintGenerator.GetMorganGenerator(
            radius=_BLOCK_RADIUS, fpSize=BLOCK_BITS, includeChirality=True
        )
        self._per_atom = rdFingerprintGenerator.AdditionalOutput()
        self._per_atom.AllocateAtomToBits()

    def read(self, smiles: str) -> Chem.Mol | None:
        """Parse a SMILES whose linker is replaced; None = unparsable."""
        with BlockLogs():
            return Chem.MolFromSmiles(smiles)

    def ecfp(self, molecule: Chem.Mol) -> bytes:
        """The model's fingerprint as `numpy.packbits` packs it; empty where the model reads none."""
        if self._ecfp is None:
            return b""
        # RDKit writes the lowest bit of a byte first, numpy.packbits the highest.
        low_first = np.frombuffer(BitVectToBinaryText(self._ecfp.GetFingerprint(molecule)), np.uint8)
        return np.packbits(np.unpackbits(low_first, bitorder="little")).tobytes()

    def blocks(self, molecule: Chem.Mol) -> list[bytes]:
        """The packed bits of the three building blocks at the first core; empty where the molecule has no core."""
        found = block_atoms(molecule)
        if not found:
            return []
        self._blocks.GetFingerprint(molecule, additionalOutput=self._per_atom)
        bits = self._per_atom.GetAtomToBits()
        return [_packed([bit for atom in atoms for bit in bits[atom]]) for atoms in found[0]]


class TrainingBlocks:
    """The building blocks of a training library.

    Args:
        packed: uint8 [n, BLOCK_BITS / 8], n at least 1.
    """

    def __init__(self, packed: NDArray[np.uint8]) -> None:
        self._words = np.ascontiguousarray(packed).view(np.uint64)
        self._counts = np.bitwise_count(self._words).sum(axis=1)
        self._known: dict[bytes, float] = {}

    def similarity(self, block: bytes) -> float:
        """Tanimoto similarity of the nearest training block, from 0 to 1.

        Args:
            block: Packed bits.
        """
        if block not in self._known:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            words = np.frombuffer(block, np.uint64)
            common = np.bitwise_count(self._words & words).sum(axis=1)
            either = self._counts + int(np.bitwise_count(words).sum()) - common
            self._known[block] = float((common / np.maximum(either, 1)).max())
        return self._known[block]


def _packed(bits: list[int]) -> bytes:
    flags = np.zeros(BLOCK_BITS, np.uint8)
    flags[bits] = 1
    return np.packbits(flags).tobytes()
