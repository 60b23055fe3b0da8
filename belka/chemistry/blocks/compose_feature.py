"""The feature `blocks` taken from the rows of which a molecule's fingerprint was composed."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from belka.chemistry.blocks.compose import ComposedEcfp, composition_error
from belka.chemistry.blocks.feature import BLOCKS_ECFP, BlockBits, BlocksSource, DirectBlocks
from belka.chemistry.blocks.fragment import block_places
from belka.chemistry.blocks.row_tables import BlockFingerprintTables
from belka.chemistry.direct import Fingerprints, FingerprintSource
from belka.chemistry.smiles import parse
from belka.contract import BLOCK_BITS, BLOCKS_BYTES, LINKER, SMILES


def blocks_source(fingerprints: FingerprintSource) -> BlocksSource:
    """Choose where the feature comes from.

    Args:
        fingerprints: Where the molecules' fingerprints come from.

    Returns:
        A source that composes what the tables of `fingerprints` license, where their bits are those of the feature;
        the direct one otherwise.
    """
    if isinstance(fingerprints, ComposedEcfp) and fingerprints.tables.settings.stored() == BLOCKS_ECFP.stored():
        return ComposedBlocks(fingerprints.tables, fingerprints.catalogue)
    return DirectBlocks()


class ComposedBlocks:
    """The rows of a molecule's three blocks, one after the other.

    They are used where the fingerprint is composed of them, the SMILES shows one linker, and no block holds a core
    itself, by which the molecule could be cut in another way. All others are computed by `DirectBlocks`. Those whose
    fingerprint was computed both ways are here, too.

    Args:
        tables: The licensed rows, of BLOCKS_ECFP.
        catalogue: SMILES of the building blocks; the index is the block id.
    """

    def __init__(self, tables: BlockFingerprintTables, catalogue: Sequence[str]) -> None:
        self._direct = DirectBlocks()
        self._catalogue = catalogue
        rows = [row.bits for row in tables.blocks]
        self._bits = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), BLOCK_BITS // 8)
        # Equal bits have equal ranks: which of the two comes first makes no difference.
        order = {bits: rank for rank, bits in enumerate(sorted(set(rows)))}
        self._ranks = np.array([order[bits] for bits in rows], dtype=np.int64)
        self._holds_core = np.array([_holds_core(row.fragment) for row in tables.blocks], dtype=np.bool_)

    def compute(self, batch: pa.RecordBatch, fingerprints: Fingerprints) -> BlockBits:
        """Return the feature of a batch.

        Args:
            batch: n molecules with at least `DirectBlocks.columns` and those of `ComposedEcfp`.
            fingerprints: Of the batch, from `ComposedEcfp`.

        Returns:
            The feature, equal to that of `DirectBlocks` byte by byte.

        Raises:
            BelkaError: If a molecule computed both ways differs.
        """
        rows, checked = fingerprints.rows, fingerprints.checked
        assert rows is not None, "fingerprints of another source"
        assert checked is not None
        composed = fingerprints.composed & ~self._holds_core[rows].any(axis=1) & _has_one_linker(batch)
        packed = self._packed(rows)
        is_known = composed.copy()
        wanted = np.flatnonzero(~composed | checked)
        if wanted.size:
            direct = self._direct.compute(batch.take(pa.array(wanted)))
            differs = (direct.packed != packed[wanted]).any(axis=1) & composed[wanted]
            if differs.any():
                raise composition_error(batch, int(wanted[int(np.argmax(differs))]), self._catalogue)
            packed[wanted], is_known[wanted] = direct
        return BlockBits(packed, is_known)

    def _packed(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Put the rows of three blocks, int64 [n, 3], after each other: uint8 [n, BLOCKS_BYTES]."""
        first, second, third = rows.T
        swapped = self._ranks[second] > self._ranks[third]
        parts = (first, np.where(swapped, third, second), np.where(swapped, second, third))
        return np.concatenate([self._bits[part] for part in parts], axis=1).reshape(-1, BLOCKS_BYTES)


def _has_one_linker(batch: pa.RecordBatch) -> NDArray[np.bool_]:
    counts = pc.fill_null(pc.count_substring(batch.column(SMILES), LINKER), 0)
    one: NDArray[np.bool_] = counts.to_numpy(zero_copy_only=False) == 1
    return one


def _holds_core(fragment: str) -> bool:
    molecule = parse(fragment)
    return isinstance(molecule, str) or bool(block_places(molecule))
