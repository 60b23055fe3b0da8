"""The labelled molecules that the members learn from, in memory: at most so many, drawn by a hash of their id."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from belka.contract import (
    BLOCKS_BYTES,
    FEATURE_BINDS,
    FEATURE_BLOCKS,
    FEATURE_ECFP,
    FEATURE_MOLECULE_ID,
    LABEL_UNKNOWN,
)
from belka.examples import read_examples
from belka.hashing import splitmix64
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
    kept: list[tuple[NDArray[np.uint64], dict[str, NDArray[Any]]]] = []
    found = waiting = 0
    for batch in read_examples(files, names, n_targets=n_targets):
        known = (batch.columns[FEATURE_BINDS] != LABEL_UNKNOWN).any(axis=1)
        columns = {name: values[known] for name, values in batch.columns.items()}
        draws = splitmix64(columns[FEATURE_MOLECULE_ID] + (seed << 32), _DRAW)
        kept.append((draws, columns))
        found, waiting = found + int(known.sum()), waiting + int(known.sum())
        if waiting > 2 * max_molecules:
            kept = [_least(kept, max_molecules)]
            waiting = max_molecules
    if not found:
        empty = np.empty(0, np.int64)
        return LabelledMolecules(
            empty,
            np.empty((0, 0), np.uint8),
            np.empty((0, BLOCKS_BYTES), np.uint8),
            np.empty((0, n_targets), np.int8),
            0,
        )
    _, columns = _least(kept, max_molecules)
    order = np.argsort(columns[FEATURE_MOLECULE_ID], kind="stable")
    blocks = columns.get(FEATURE_BLOCKS, np.zeros((len(order), BLOCKS_BYTES), np.uint8))
    return LabelledMolecules(
        columns[FEATURE_MOLECULE_ID][order],
        columns[FEATURE_ECFP][order],
        blocks[order],
        columns[FEATURE_BINDS][order],
        found,
    )


def _least(
    parts: Sequence[tuple[NDArray[np.uint64], dict[str, NDArray[Any]]]], count: int
) -> tuple[NDArray[np.uint64], dict[str, NDArray[Any]]]:
    """The `count` molecules with the least draws."""
    draws = np.concatenate([each for each, _ in parts])
    order = np.argsort(draws, kind="stable")[:count]
    names = parts[0][1]
    return draws[order], {name: np.concatenate([columns[name] for _, columns in parts])[order] for name in names}
