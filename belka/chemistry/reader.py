"""What RDKit tells about a molecule: whether it is one, the fingerprint a model reads, and its building blocks.

A block is told by the bits of the circular fingerprint that are centred on its atoms. They reach no further than the
core, so they are the same in every molecule with the block, and cost a fraction of writing the block's SMILES.

Source: Rogers, Hahn: Extended-connectivity fingerprints, J. Chem. Inf. Model. 50, 742 (2010).
"""

from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from belka.chemistry.blocks.feature import BLOCKS_ECFP
from belka.chemistry.blocks.fragment import block_places
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.ecfp import Ecfp, packed_bits
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import BLOCK_BITS

_MAX_KNOWN: Final = 100_000  # blocks whose similarity is kept

Block = frozenset[int]  # bits below BLOCK_BITS


class Chemistry:
    """Reads molecules.

    Args:
        ecfp: The fingerprint to compute, of any kind; None = none.
    """

    def __init__(self, ecfp: FingerprintSettings | None = None) -> None:
        self._fingerprints = None if ecfp is None else DirectFingerprints(ecfp)
        self._blocks = Ecfp(BLOCKS_ECFP)
        # A model that reads the fingerprint of the blocks gets it from the same pass: one costs a third of parsing.
        self._one_pass = ecfp is not None and ecfp.stored() == BLOCKS_ECFP.stored()

    def ecfp(self, molecule: Chem.Mol) -> bytes:
        """The model's fingerprint as `numpy.packbits` packs it; empty where the model reads none."""
        return b"" if self._fingerprints is None else self._fingerprints.pack([molecule]).tobytes()

    def blocks(self, molecule: Chem.Mol) -> list[Block]:
        """The three building blocks at the first core; empty where the molecule has no core."""
        return self.ecfp_and_blocks(molecule)[1]

    def ecfp_and_blocks(self, molecule: Chem.Mol) -> tuple[bytes, list[Block]]:
        """Both `ecfp` and `blocks`, with as few passes as they take."""
        found = block_places(molecule)
        if not found:
            return self.ecfp(molecule), []
        packed, bits = self._blocks.pack_with_centres(molecule)
        blocks = [frozenset(chain.from_iterable(bits[atom] for atom in place.atoms)) for place in found[0]]
        return packed if self._one_pass else self.ecfp(molecule), blocks


class TrainingBlocks:
    """The building blocks of a training library.

    Args:
        packed: uint8 [n, BLOCK_BITS / 8], n at least 1.
    """

    def __init__(self, packed: NDArray[np.uint8]) -> None:
        self._words = np.ascontiguousarray(packed).view(np.uint64)
        self._counts = np.bitwise_count(self._words).sum(axis=1)
        self._known: dict[Block, float] = {}

    def similarity(self, block: Block) -> float:
        """Tanimoto similarity of the nearest training block, from 0 to 1.

        Args:
            block: A block.
        """
        if block not in self._known:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            words = np.frombuffer(packed_block(block), np.uint64)
            common = np.bitwise_count(self._words & words).sum(axis=1)
            either = self._counts + len(block) - common
            self._known[block] = float((common / np.maximum(either, 1)).max())
        return self._known[block]


def packed_block(block: Block) -> bytes:
    """The bits of a block as `numpy.packbits` packs them, BLOCK_BITS / 8 bytes."""
    return packed_bits(block, BLOCK_BITS)
