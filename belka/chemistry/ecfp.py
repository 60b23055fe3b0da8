"""Packed fingerprints of molecules, and the circular one as RDKit computes it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from rdkit.DataStructs import BitVectToBinaryText
from rdkit.rdBase import BlockLogs

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import SMILES_NO_LINKER

REASON_EMPTY = "empty SMILES"
REASON_UNPARSABLE = "unparsable SMILES"

# RDKit packs bit 0 of a byte as the lowest one, numpy.packbits as the highest.
_REVERSED_BITS = np.packbits(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1), axis=1, bitorder="little"
)[:, 0]


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of a batch of n molecules.

    Attributes:
        packed: uint8 [n, n_bits / 8], numpy.packbits (big-endian) of the 0/1 fingerprint; zeros where there is none.
        rejected: Row -> reason, for rows without a fingerprint.
        composed: bool [n], whether the fingerprint is put together from building blocks instead of computed from the SMILES.
        contradicted: Rows whose SMILES does not fit the building blocks they are listed with; they are not composed.
    """

    packed: npt.NDArray[np.uint8]
    rejected: dict[int, str]
    composed: npt.NDArray[np.bool_]
    contradicted: tuple[int, ...] = ()


class FingerprintSource(Protocol):
    """Where the fingerprints of a batch come from."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the molecules table that `compute` reads."""

    def compute(self, batch: pa.RecordBatch) -> Fingerprints:
        """Return the fingerprints of the rows of `batch`, which has at least `columns`."""


def parse(smiles: str | None, row: int, rejected: dict[int, str]) -> Chem.Mol | None:
    """Parse a SMILES with full sanitization.

    Args:
        smiles: The text; None = missing.
        row: Its row.
        rejected: Receives the reason by row, where there is no molecule.

    Returns:
        A molecule with at least one atom, or None.
    """
    molecule = Chem.MolFromSmiles(smiles) if smiles else None
    if molecule is not None and molecule.GetNumAtoms():
        return molecule
    rejected[row] = REASON_UNPARSABLE if smiles else REASON_EMPTY
    return None


class DirectEcfp:
    """RDKit's Morgan fingerprint of every molecule, each parsed once with full sanitization.

    The bits equal `skfp.fingerprints.ECFPFingerprint(fp_size=size, radius=radius, include_chirality=chirality)`. Sanitization is
    never skipped: a shortened parse is a third faster, but accepts rings RDKit cannot kekulize and gives other bits for
    aromatic systems written by other toolkits, which no check cheaper than the parse itself finds.

    Source: Rogers, Hahn: Extended-connectivity fingerprints, J. Chem. Inf. Model. 50, 742 (2010).

    Args:
        settings: Size, radius and chirality; the kind is ecfp.
    """

    columns = (SMILES_NO_LINKER,)

    def __init__(self, settings: FingerprintSettings) -> None:
        assert settings.kind == "ecfp", "other kinds are computed by SkfpFingerprint"
        self._n_bytes = settings.n_bytes
        self._generator = rdFingerprintGenerator.GetMorganGenerator(
            radius=settings.radius, fpSize=settings.size, includeChirality=settings.chirality
        )

    def compute(self, batch: pa.RecordBatch) -> Fingerprints:
        """Return the fingerprints of the column smiles_no_linker of `batch`.

        Args:
            batch: n molecules.

        Returns:
            The fingerprints; empty, missing and unparsable SMILES are rejected.
        """
        nothing = bytes(self._n_bytes)
        texts: list[bytes] = []
        rejected: dict[int, str] = {}
        with BlockLogs():
            for row, smiles in enumerate(batch.column(SMILES_NO_LINKER).to_pylist()):
                molecule = parse(smiles, row, rejected)
                if molecule is None:
                    texts.append(nothing)
                else:
                    texts.append(BitVectToBinaryText(self._generator.GetFingerprint(molecule)))
        packed = _REVERSED_BITS[np.frombuffer(b"".join(texts), np.uint8)]
        return Fingerprints(packed.reshape(len(texts), self._n_bytes), rejected, np.zeros(len(texts), dtype=np.bool_))
