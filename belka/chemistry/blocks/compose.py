"""Fingerprints put together from rows of building blocks; whatever is not licensed is computed from its SMILES."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from belka.chemistry.blocks.checksum import join_checksum, smiles_checksums
from belka.chemistry.blocks.reference import MAX_RADIUS
from belka.chemistry.blocks.row_tables import ROLE_AMINE, ROLE_LINKER, BlockFingerprintTables, load_tables
from belka.chemistry.direct import DirectFingerprints, Fingerprints, FingerprintSource
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import BLOCK_IDS, BLOCKS_FILE, LINKER_REPLACEMENT, MOLECULE_ID, SMILES_NO_LINKER
from belka.errors import BelkaError
from belka.hashing import splitmix64

logger = logging.getLogger(__name__)

# Of so many composed molecules one, chosen by the hash of its id, is computed from its SMILES as well.
CHECKED_SHARE: Final = 4096
# The same where a block has a licensed isomer, by which the checksum cannot tell that the molecule has the other one.
CHECKED_SHARE_ISOMERS: Final = 256
_NONE: Final = -1
_WORD_BYTES: Final = 8


def read_catalogue(molecules_dir: Path) -> list[str]:
    """Read the SMILES of the building blocks of a Molecules folder; the index is the block id."""
    smiles: list[str] = pq.read_table(molecules_dir / BLOCKS_FILE, columns=["smiles"])["smiles"].to_pylist()
    return smiles


def fingerprint_source(
    settings: FingerprintSettings, tables_dir: Path | None, molecules_dir: Path
) -> FingerprintSource:
    """Choose where fingerprints come from.

    Args:
        settings: The fingerprint wanted.
        tables_dir: Folder written by `learn_block_fingerprints`; None = every molecule is computed from its SMILES.
        molecules_dir: The molecules to come.

    Returns:
        A source that composes what the tables license; the direct one for all other kinds than ECFP, and where the
        tables license nothing of `settings`.

    Raises:
        InputError: If the tables cannot be read or belong to another version of RDKit.
    """
    if tables_dir is None or settings.kind != "ecfp":
        return DirectFingerprints(settings)
    tables = load_tables(tables_dir)
    if tables.settings.stored() != settings.stored():
        message = "The block fingerprints were learnt for %s, not for %s: all are computed from the SMILES."
        logger.warning(message, tables.settings.description, settings.description)
        return DirectFingerprints(settings)
    if settings.radius > MAX_RADIUS or not tables.blocks or not tables.cores:
        return DirectFingerprints(settings)
    return ComposedEcfp(tables, read_catalogue(molecules_dir))


class ComposedEcfp:
    """ECFP as the union of the rows of three building blocks and the core.

    A molecule is composed only if each of its blocks is licensed in its position, its kind of core is licensed, and the
    checksum of its SMILES is the sum of those of its parts. All others are computed by `DirectFingerprints`. One of
    CHECKED_SHARE composed molecules is computed both ways; of those with a block that has an isomer among the licensed
    ones, one of CHECKED_SHARE_ISOMERS, and the first that this object meets of each such block in each position.

    Args:
        tables: The licensed rows.
        catalogue: SMILES of the building blocks of the molecules to come; the index is the block id.

    Attributes:
        tables: The licensed rows.
        catalogue: SMILES of the building blocks.
    """

    columns = (MOLECULE_ID, SMILES_NO_LINKER, *BLOCK_IDS)

    def __init__(self, tables: BlockFingerprintTables, catalogue: Sequence[str]) -> None:
        self.tables, self.catalogue = tables, catalogue
        self._direct = DirectFingerprints(tables.settings)
        self._n_bytes = tables.settings.n_bytes
        row_of = {(row.role, row.block): number for number, row in enumerate(tables.blocks)}
        linker_rows, amine_rows = (
            np.array([*(row_of.get((role, smiles), _NONE) for smiles in catalogue), _NONE], dtype=np.int64)
            for role in (ROLE_LINKER, ROLE_AMINE)
        )
        self._rows = (linker_rows, amine_rows, amine_rows)
        self._bits = _words([row.bits for row in tables.blocks])
        self._checksums = np.array([row.checksum for row in tables.blocks], dtype=np.uint64)
        self._join = join_checksum(LINKER_REPLACEMENT)
        alike = Counter((row.role, row.checksum) for row in tables.blocks)
        self._has_isomer = np.array([alike[row.role, row.checksum] > 1 for row in tables.blocks], dtype=np.bool_)
        self._met = np.zeros((len(BLOCK_IDS), len(tables.blocks)), dtype=np.bool_)

        kinds = sorted({row.nitrogen for row in tables.blocks})
        self._kinds = np.array([kinds.index(row.nitrogen) for row in tables.blocks])
        core_of = {row.nitrogens: number for number, row in enumerate(tables.cores)}
        triples = np.ndindex(len(kinds), len(kinds), len(kinds))
        self._cores = np.array(
            [core_of.get(tuple(sorted(kinds[kind] for kind in triple)), _NONE) for triple in triples], dtype=np.int64
        ).reshape((len(kinds),) * 3)
        self._core_bits = _words([row.bits for row in tables.cores])

    def compute(self, batch: pa.RecordBatch) -> Fingerprints:
        """Return the fingerprints of a batch.

        Args:
            batch: n molecules with at least `columns`.

        Returns:
            The fingerprints, equal to those of `DirectFingerprints` bit by bit.

        Raises:
            BelkaError: If a molecule computed both ways differs.
        """
        own = self.compose(batch)
        ids = batch.column(MOLECULE_ID).to_numpy()
        hashes = splitmix64(ids)
        checked = own.composed & ((hashes % np.uint64(CHECKED_SHARE) == 0) | self._confusable(batch, own, hashes))
        wanted = np.flatnonzero(~own.composed | checked)
        if not wanted.size:
            return replace(own, checked=checked)
        direct = self._direct.compute(batch.take(pa.array(wanted)))
        differs = (direct.packed != own.packed[wanted]).any(axis=1) & checked[wanted]
        if differs.any():
            raise composition_error(batch, int(wanted[int(np.argmax(differs))]), self.catalogue)
        own.packed[wanted] = direct.packed
        rejected = {int(wanted[row]): reason for row, reason in direct.rejected.items()}
        return replace(own, rejected=rejected, checked=checked)

    def _confusable(
        self, batch: pa.RecordBatch, own: Fingerprints, hashes: npt.NDArray[np.uint64]
    ) -> npt.NDArray[np.bool_]:
        """Choose molecules to check among those that may hold an isomer of a block they are listed with, bool [n]."""
        chosen = np.zeros(batch.num_rows, dtype=np.bool_)
        for met, name, at in zip(self._met, BLOCK_IDS, self._rows, strict=True):
            molecules = np.flatnonzero(own.composed)
            rows = self._rows_of(batch.column(name), at)[molecules]
            molecules, rows = molecules[self._has_isomer[rows]], rows[self._has_isomer[rows]]
            chosen[molecules[hashes[molecules] % np.uint64(CHECKED_SHARE_ISOMERS) == 0]] = True
            is_new = ~met[rows]
            new, first = np.unique(rows[is_new], return_index=True)
            chosen[molecules[is_new][first]] = True
            met[new] = True
        return chosen

    def compose(self, batch: pa.RecordBatch) -> Fingerprints:
        """Compose what is licensed and leave the rest.

        Args:
            batch: n molecules with at least `columns`.

        Returns:
            The fingerprints; rows that are not `composed` hold nothing of use.
        """
        rows = [self._rows_of(batch.column(name), at) for name, at in zip(BLOCK_IDS, self._rows, strict=True)]
        licensed = (rows[0] >= 0) & (rows[1] >= 0) & (rows[2] >= 0)
        # Rows that are not licensed point anywhere from here on; the mask decides.
        first, second, third = (np.maximum(row, 0) for row in rows)
        core = self._cores[self._kinds[first], self._kinds[second], self._kinds[third]]
        licensed &= core >= 0
        found = smiles_checksums(batch.column(SMILES_NO_LINKER))
        expected = self._checksums[first] + self._checksums[second] + self._checksums[third] + self._join
        contradicted = licensed & (found != expected)

        words = self._bits.take(first, axis=0, mode="clip")
        for table, index in ((self._bits, second), (self._bits, third), (self._core_bits, np.maximum(core, 0))):
            words |= table.take(index, axis=0, mode="clip")
        packed = words.view(np.uint8)[:, : self._n_bytes]
        return Fingerprints(
            packed,
            {},
            licensed & ~contradicted,
            tuple(np.flatnonzero(contradicted).tolist()),
            np.stack([first, second, third], axis=1),
        )

    def _rows_of(self, block_ids: pa.Array, row_of_block: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Look up the table row of each block id, int64 [n]; _NONE where there is no block or no licence."""
        ids = block_ids.cast(pa.int64()).fill_null(_NONE).to_numpy(zero_copy_only=False)
        # The last entry stands for "no block".
        known = (ids >= 0) & (ids < len(row_of_block) - 1)
        found: npt.NDArray[np.int64] = row_of_block[np.where(known, ids, len(row_of_block) - 1)]
        return found


def listed_molecule(batch: pa.RecordBatch, row: int, catalogue: Sequence[str]) -> str:
    """Name a molecule and its blocks for a message.

    Args:
        batch: Molecules with the columns of `ComposedEcfp`; the one in question has three blocks.
        row: The one in question.
        catalogue: SMILES of the building blocks.
    """
    blocks = ", ".join(catalogue[batch.column(name)[row].as_py()] for name in BLOCK_IDS)
    smiles = batch.column(SMILES_NO_LINKER)[row].as_py()
    return f"molecule {batch.column(MOLECULE_ID)[row].as_py()}: {smiles}, listed with the blocks {blocks}"


def composition_error(batch: pa.RecordBatch, row: int, catalogue: Sequence[str]) -> BelkaError:
    """Make the error about a composed fingerprint that is not RDKit's.

    Args:
        batch: Molecules with the columns of `ComposedEcfp`.
        row: The one in question.
        catalogue: SMILES of the building blocks.
    """
    return BelkaError(
        "The fingerprint composed from a molecule's building blocks differs from the one RDKit computes.",
        received=listed_molecule(batch, row, catalogue),
        expected="equal bits",
        action="Correct the building blocks of this molecule in the raw files, or set fingerprint.method=direct.",
    )


def _words(rows: Sequence[bytes]) -> npt.NDArray[np.uint64]:
    """Stack packed rows as words of 64 bits, padded with zeros: uint64 [n, n_words]."""
    padded = [row + bytes(-len(row) % _WORD_BYTES) for row in rows]
    return np.frombuffer(b"".join(padded), np.uint64).reshape(len(rows), -1)
