"""The building blocks of molecules, from the molecules table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from belka.contract import BLOCK_IDS, MOLECULE_ID, Subset
from belka.models.unseen import block_columns
from belka.molecules import list_shards, read_rows

BlockIds = NDArray[np.int32]
NO_BLOCK: Final = -1


@dataclass(frozen=True)
class MoleculeBlocks:
    """The building blocks of some molecules of one split; 20 bytes a molecule.

    Attributes:
        molecules: int64 [n], molecule ids, ascending.
        blocks: int32 [n, 3], rows of blocks.parquet by position; -1 = none.
    """

    molecules: NDArray[np.int64]
    blocks: BlockIds

    @classmethod
    def read(cls, molecules_dir: Path, subset: Subset, wanted: NDArray[np.int64] | None = None) -> Self:
        """Read them from the molecules table, a batch at a time.

        Args:
            molecules_dir: Folder written by ParquetMerge.
            subset: The split.
            wanted: Molecule ids, in any order; None = the whole split.
        """
        shards = [shard for shard in list_shards(molecules_dir) if shard.split == subset.split]
        n = sum(shard.n_rows for shard in shards) if wanted is None else wanted.size
        molecules, blocks, filled = np.empty(n, np.int64), np.empty((n, len(BLOCK_IDS)), np.int32), 0
        ascending = None if wanted is None else np.sort(wanted)
        for batch in (batch for shard in shards for batch in read_rows(shard.path, [MOLECULE_ID, *BLOCK_IDS])):
            ids, found = batch.column(MOLECULE_ID).to_numpy(), block_columns(batch)
            if ascending is not None:
                kept = _places(ascending, ids)[1]
                ids, found = ids[kept], found[kept]
            molecules[filled : filled + ids.size], blocks[filled : filled + ids.size] = ids, found
            filled += ids.size
        molecules, blocks = molecules[:filled], blocks[:filled]
        if (molecules[1:] < molecules[:-1]).any():
            order = np.argsort(molecules)
            molecules, blocks = molecules[order], blocks[order]
        return cls(molecules, blocks)

    def of(self, ids: NDArray[np.int64]) -> BlockIds:
        """The blocks of the molecules `ids`, int64 [k], as int32 [k, 3]; -1 where the molecule is none of these."""
        places, found = _places(self.molecules, ids)
        blocks = np.full((ids.size, len(BLOCK_IDS)), NO_BLOCK, np.int32)
        blocks[found] = self.blocks[places[found]]
        return blocks


def _places(ascending: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each id stands in `ascending`, and whether it does."""
    if not ascending.size:
        return np.zeros(ids.size, np.int64), np.zeros(ids.size, np.bool_)
    places = np.searchsorted(ascending, ids).clip(max=ascending.size - 1)
    return places, ascending[places] == ids
