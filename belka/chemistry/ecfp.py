"""The circular fingerprint of one molecule, as RDKit's Morgan generator computes it.

Source: Rogers, Hahn: Extended-connectivity fingerprints, J. Chem. Inf. Model. 50, 742 (2010).
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from rdkit.DataStructs import BitVectToBinaryText, ExplicitBitVect

from belka.chemistry.fingerprints import FingerprintSettings

# RDKit writes bit 0 as the lowest one of a byte, numpy.packbits as the highest.
_REVERSED_BITS: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Ecfp:
    """Computes the bits of `skfp.fingerprints.ECFPFingerprint(fp_size=..., radius=..., include_chirality=...)`.

    Args:
        settings: Size, radius and chirality; the kind is ecfp.

    Attributes:
        size: Number of bits.
    """

    def __init__(self, settings: FingerprintSettings) -> None:
        assert settings.kind == "ecfp", "the Morgan generator computes no other kind"
        self._generator = rdFingerprintGenerator.GetMorganGenerator(
            radius=settings.radius, fpSize=settings.size, includeChirality=settings.chirality
        )
        self.size = settings.size
        self._per_atom = rdFingerprintGenerator.AdditionalOutput()
        self._per_atom.AllocateAtomToBits()

    def pack(self, molecule: Chem.Mol) -> bytes:
        """Compute the fingerprint of a sanitized molecule as `numpy.packbits` packs it."""
        return _packed(self._generator.GetFingerprint(molecule))

    def pack_with_centres(self, molecule: Chem.Mol) -> tuple[bytes, Sequence[Sequence[int]]]:
        """Compute the fingerprint and, for each atom, the bits of the environments around it; a bit may occur twice."""
        vector = self._generator.GetFingerprint(molecule, additionalOutput=self._per_atom)
        return _packed(vector), self._per_atom.GetAtomToBits()


def packed_bits(bits: Iterable[int], size: int) -> bytes:
    """Pack the numbers of the bits that are set as `numpy.packbits` does: `size` / 8 bytes."""
    flags = np.zeros(size, np.uint8)
    flags[list(bits)] = 1
    return np.packbits(flags).tobytes()


def _packed(vector: ExplicitBitVect) -> bytes:
    text: bytes = BitVectToBinaryText(vector)
    return text.translate(_REVERSED_BITS)
