"""Fingerprints that scikit-fingerprints computes: every kind but ECFP, which has faster ways of its own."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from belka.chemistry.ecfp import Fingerprints, parse
from belka.chemistry.fingerprints import KINDS, FingerprintSettings
from belka.contract import SMILES_NO_LINKER

# Molecules in memory at a time; a call costs a tenth of a millisecond however many it gets.
_CHUNK_ROWS: Final = 1024


class SkfpFingerprint:
    """The binary fingerprint of a class of scikit-fingerprints, with that class's defaults beside size, radius and chirality.

    Each molecule is parsed once with full sanitization. Atom pairs and topological torsions simulate counts, as their classes do:
    several bits say how often a feature occurs. Keys (MACCS, PubChem) are padded with zero bits to whole bytes.

    Source: Adamczyk, Ludynia: Scikit-fingerprints, SoftwareX 28, 101944 (2024); each class names that of its fingerprint.

    Args:
        settings: The fingerprint; any kind.
    """

    columns = (SMILES_NO_LINKER,)

    def __init__(self, settings: FingerprintSettings) -> None:
        self._n_bytes = settings.n_bytes
        self._transformer = _transformer(settings)

    def pack(self, molecules: Sequence[Chem.Mol]) -> npt.NDArray[np.uint8]:
        """Compute the fingerprints of molecules.

        Args:
            molecules: n sanitized molecules with at least one atom each.

        Returns:
            uint8 [n, size / 8], numpy.packbits (big-endian) of the 0/1 fingerprints.
        """
        if not molecules:
            return np.zeros((0, self._n_bytes), np.uint8)
        packed: npt.NDArray[np.uint8] = np.packbits(self._transformer.transform(molecules), axis=1)
        return packed

    def compute(self, batch: pa.RecordBatch) -> Fingerprints:
        """Return the fingerprints of the column smiles_no_linker of `batch`.

        Args:
            batch: n molecules.

        Returns:
            The fingerprints; empty, missing and unparsable SMILES are rejected, each by itself.
        """
        packed = np.zeros((batch.num_rows, self._n_bytes), np.uint8)
        rejected: dict[int, str] = {}
        for rows, molecules in _parsed(batch.column(SMILES_NO_LINKER).to_pylist(), rejected):
            packed[rows] = self.pack(molecules)
        return Fingerprints(packed, rejected, np.zeros(batch.num_rows, dtype=np.bool_))


def _parsed(smiles: Sequence[str | None], rejected: dict[int, str]) -> Iterator[tuple[list[int], list[Chem.Mol]]]:
    """Yield rows and their molecules, a chunk at a time; add the others to `rejected`."""
    for start in range(0, len(smiles), _CHUNK_ROWS):
        rows: list[int] = []
        molecules: list[Chem.Mol] = []
        with BlockLogs():
            for row, text in enumerate(smiles[start : start + _CHUNK_ROWS], start):
                molecule = parse(text, row, rejected)
                if molecule is not None:
                    rows.append(row)
                    molecules.append(molecule)
        yield rows, molecules


def _transformer(settings: FingerprintSettings) -> Any:
    """Make the transformer of scikit-fingerprints, which takes seconds to import and is not needed for ECFP."""
    from skfp import fingerprints

    kind = KINDS[settings.kind]
    arguments: dict[str, int | bool] = dict(kind.options)
    if kind.n_keys is None:
        arguments["fp_size"] = settings.size
    if kind.has_radius:
        arguments["radius"] = settings.radius
    if kind.has_chirality:
        arguments["include_chirality"] = settings.chirality
    return getattr(fingerprints, kind.generator)(**arguments)
