"""Fingerprints of batches of molecules, each computed from its SMILES."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rdkit import Chem

from belka.chemistry.ecfp import Ecfp
from belka.chemistry.fingerprints import KINDS, FingerprintSettings
from belka.chemistry.smiles import parse
from belka.contract import SMILES_NO_LINKER

# Few enough to stay in the processor's cache (ECFP with 1,024 is a tenth slower), many enough for scikit-fingerprints,
# which takes a tenth of a millisecond per call.
_CHUNK_ROWS: Final = 32

Packer = Callable[[Sequence[Chem.Mol]], npt.NDArray[np.uint8]]


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of a batch of n molecules.

    Attributes:
        packed: uint8 [n, n_bits / 8], numpy.packbits (big-endian) of the 0/1 fingerprint; zeros where there is none.
        rejected: Row -> reason, for rows without a fingerprint.
        composed: bool [n], whether the fingerprint is put together from building blocks, not computed from SMILES.
        contradicted: Rows whose SMILES does not fit the building blocks they are listed with; they are not composed.
        rows: int64 [n, 3], the rows of the blocks' tables that composed ones consist of; None = none is composed.
        checked: bool [n], which composed ones were computed from their SMILES as well; None = none.
    """

    packed: npt.NDArray[np.uint8]
    rejected: dict[int, str]
    composed: npt.NDArray[np.bool_]
    contradicted: tuple[int, ...] = ()
    rows: npt.NDArray[np.int64] | None = None
    checked: npt.NDArray[np.bool_] | None = None


class FingerprintSource(Protocol):
    """Where the fingerprints of a batch come from."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the molecules table that `compute` reads."""

    def compute(self, batch: pa.RecordBatch) -> Fingerprints:
        """Return the fingerprints of the rows of `batch`, which has at least `columns`."""


class DirectFingerprints:
    """The fingerprint of every molecule, each parsed once.

    The bits are those of the generator that `KINDS` names, with that class's defaults beside what its row says: atom
    pairs and topological torsions simulate counts (several bits say how often a feature occurs). Keys are padded with
    zero bits to whole bytes. ECFP is computed by RDKit without scikit-fingerprints, which takes seconds to import.

    Source: Adamczyk, Ludynia: Scikit-fingerprints, SoftwareX 28, 101944 (2024).

    Args:
        settings: The fingerprint; any kind.
    """

    columns = (SMILES_NO_LINKER,)

    def __init__(self, settings: FingerprintSettings) -> None:
        self._n_bytes = settings.n_bytes
        self._pack = _ecfp_packer(settings) if settings.kind == "ecfp" else skfp_packer(settings)

    def pack(self, molecules: Sequence[Chem.Mol]) -> npt.NDArray[np.uint8]:
        """Compute the fingerprints of molecules.

        Args:
            molecules: n sanitized molecules with at least one atom each.

        Returns:
            uint8 [n, size / 8], numpy.packbits (big-endian) of the 0/1 fingerprints.
        """
        return self._pack(molecules).reshape(len(molecules), self._n_bytes)

    def compute(self, batch: pa.RecordBatch) -> Fingerprints:
        """Return the fingerprints of the column smiles_no_linker of `batch`.

        Args:
            batch: n molecules.

        Returns:
            The fingerprints; what is no usable molecule is rejected, each by itself.
        """
        packed = np.zeros((batch.num_rows, self._n_bytes), np.uint8)
        rejected: dict[int, str] = {}
        smiles = batch.column(SMILES_NO_LINKER).to_pylist()
        for start in range(0, len(smiles), _CHUNK_ROWS):
            molecules: dict[int, Chem.Mol] = {}
            for row, text in enumerate(smiles[start : start + _CHUNK_ROWS], start):
                found = parse(text)
                if isinstance(found, str):
                    rejected[row] = found
                else:
                    molecules[row] = found
            if molecules:
                packed[list(molecules)] = self.pack(list(molecules.values()))
        return Fingerprints(packed, rejected, np.zeros(batch.num_rows, dtype=np.bool_))


def _ecfp_packer(settings: FingerprintSettings) -> Packer:
    ecfp = Ecfp(settings)
    return lambda molecules: np.frombuffer(b"".join(map(ecfp.pack, molecules)), np.uint8)


def skfp_packer(settings: FingerprintSettings) -> Packer:
    """Make the function that computes a fingerprint of any kind by its class of scikit-fingerprints.

    Args:
        settings: The fingerprint.

    Returns:
        A function of at least one molecule.
    """
    from skfp import fingerprints

    kind = KINDS[settings.kind]
    arguments: dict[str, int | bool] = dict(kind.options)
    if kind.n_keys is None:
        arguments["fp_size"] = settings.size
    if kind.has_radius:
        arguments["radius"] = settings.radius
    if kind.has_chirality:
        arguments["include_chirality"] = settings.chirality
    transformer = getattr(fingerprints, kind.generator)(**arguments)
    return lambda molecules: np.packbits(transformer.transform(molecules), axis=1)
