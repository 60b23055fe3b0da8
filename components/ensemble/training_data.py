"""The labelled molecules that the members learn from, in memory: at most so many, drawn by a hash of their id."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from belka.contract import (
    BLOCKS_BYTES,
    FEATURE_BINDS,
    FEATURE_BLOCKS,
    FEATURE_ECFP,
    FEATURE_MOLECULE_ID,
)
from belka.hashing import splitmix64
from belka.labelled_sample import sample_labelled
from components.ensemble.library import Bits

_DRAW: int = 11  # a step of the hash that nothing else draws with


class LabelledMolecules(NamedTuple):
    """Molecules in ascending order of their id.

    Attributes:
        ids: int64 [n].
        ecfp: uint8 [n, n_bytes], packed bits of the fingerprint.
        blocks: uint8 [n, BLOCKS_BYTES], packed bits of the blocks; zeros where a molecule has none, or where no member
            reads them.
        binds: int8 [n, n_targets], labels.
        found: Molecules with a label among which these were drawn.
    """

    ids: NDArray[np.int64]
    ecfp: Bits
    blocks: Bits
    binds: NDArray[np.int8]
    found: int

    @property
    def has_blocks(self) -> NDArray[np.bool_]:
        """Whether each molecule has three blocks, bool [n]."""
        marked: NDArray[np.bool_] = np.asarray(self.blocks.any(axis=1))
        return marked

    def take(self, kept: NDArray[np.bool_]) -> "LabelledMolecules":
        """The molecules that are marked, bool [n]."""
        return LabelledMolecules(self.ids[kept], self.ecfp[kept], self.blocks[kept], self.binds[kept], int(kept.sum()))

    def digest(self) -> str:
        """SHA-256 of the content."""
        total = hashlib.sha256()
        for values in self[:-1]:
            total.update(f"{values.shape} {values.dtype}\0".encode())
            total.update(np.ascontiguousarray(values).data)
        return total.hexdigest()


def read_molecules(
    files: Sequence[Path], *, n_targets: int, max_molecules: int, seed: int, with_blocks: bool
) -> LabelledMolecules:
    """Read the molecules with a known label; memory is bounded by `max_molecules`.

    Args:
        files: Training Examples.
        n_targets: Number of targets.
        max_molecules: Most molecules to keep.
        seed: Another seed draws others.
        with_blocks: Whether to read the feature `blocks`.

    Raises:
        BelkaError: The Examples are damaged or lack a feature.
    """
    names = [FEATURE_MOLECULE_ID, FEATURE_ECFP, FEATURE_BINDS, *([FEATURE_BLOCKS] if with_blocks else [])]
    columns, found = sample_labelled(
        files, names, lambda ids: splitmix64(ids + (seed << 32), _DRAW), n_targets=n_targets, limit=max_molecules
    )
    if not columns:
        empty = np.empty(0, np.int64)
        return LabelledMolecules(
            empty,
            np.empty((0, 0), np.uint8),
            np.empty((0, BLOCKS_BYTES), np.uint8),
            np.empty((0, n_targets), np.int8),
            0,
        )
    order = np.argsort(columns[FEATURE_MOLECULE_ID], kind="stable")
    blocks = columns.get(FEATURE_BLOCKS, np.zeros((len(order), BLOCKS_BYTES), np.uint8))
    return LabelledMolecules(
        columns[FEATURE_MOLECULE_ID][order],
        columns[FEATURE_ECFP][order],
        blocks[order],
        columns[FEATURE_BINDS][order],
        found,
    )
