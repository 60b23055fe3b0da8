"""What baselines read of molecules: fingerprint bits, building blocks, labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack  # type: ignore[import-untyped]  # SciPy ships no types

from belka.contract import FEATURE_BINDS, FEATURE_ECFP, FEATURE_MOLECULE_ID, Subset
from belka.hashing import splitmix64
from belka.labelled_sample import sample_labelled
from components.affinity_evaluator.block_ids import NO_BLOCK, BlockIds, MoleculeBlocks

COLUMNS: Final = (FEATURE_MOLECULE_ID, FEATURE_ECFP, FEATURE_BINDS)
# Rows unpacked at a time: 2,048 bits of them take 34 MB.
_UNPACKED_ROWS: Final = 4_096


@dataclass(frozen=True)
class Rows:
    """Some molecules.

    Attributes:
        ids: int64 [n].
        packed: uint8 [n, n_bytes], packed fingerprint bits.
        blocks: int32 [n, 3], building blocks by position; -1 = none.
        labels: int8 [n, n_targets], label codes.
    """

    ids: NDArray[np.int64]
    packed: NDArray[np.uint8]
    blocks: BlockIds
    labels: NDArray[np.int8]

    def bits(self) -> csr_matrix:
        """The fingerprints, float32 [n, n_bits] of 0 and 1, sparse."""
        parts = [
            csr_matrix(np.unpackbits(self.packed[start : start + _UNPACKED_ROWS], axis=1), dtype=np.float32)
            for start in range(0, len(self.ids), _UNPACKED_ROWS)
        ]
        return vstack(parts, format="csr") if parts else csr_matrix((0, 8 * self.packed.shape[1]), dtype=np.float32)

    def block_columns(self, n_blocks: int) -> csr_matrix:
        """One column for each block at each position, float32 [n, 3 * n_blocks] of 0 and 1, sparse.

        Args:
            n_blocks: Rows of blocks.parquet.
        """
        rows, positions = np.nonzero(self.blocks != NO_BLOCK)
        columns = positions * n_blocks + self.blocks[rows, positions]
        shape = (len(self.ids), self.blocks.shape[1] * n_blocks)
        return csr_matrix((np.ones(rows.size, np.float32), (rows, columns)), shape=shape)


def sample_rows(
    files: Sequence[Path], molecules_dir: Path, *, n_targets: int, limit: int, seed: int
) -> tuple[Rows, int]:
    """Read the molecules of the training split that have a label; above a limit, a random sample of them.

    The sample is the molecules of lowest hash, so it depends neither on the order of the files nor on that within them:
    files may be sorted by label. Memory: about 600 bytes for each molecule of the limit.

    Args:
        files: TFRecord files of the training split.
        molecules_dir: Folder written by ParquetMerge.
        n_targets: Number of targets.
        limit: Most molecules to keep, at least 1.
        seed: Another seed, another sample.

    Returns:
        The molecules in random order, the same for the same seed, and how many have a label in all.
    """
    columns, n_labelled = sample_labelled(
        files, COLUMNS, lambda ids: splitmix64(ids, seed + 1), n_targets=n_targets, limit=limit
    )
    if not columns:
        empty = np.empty((0, n_targets), np.int8)
        return Rows(np.empty(0, np.int64), np.empty((0, 1), np.uint8), np.empty((0, 3), np.int32), empty), 0
    ids, packed, labels = (columns[name] for name in COLUMNS)
    blocks = MoleculeBlocks.read(molecules_dir, Subset.TRAIN, ids).of(ids)
    return Rows(ids, packed, blocks, labels), n_labelled
