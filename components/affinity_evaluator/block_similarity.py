"""How like the nearest training block each new building block is."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from belka.chemistry.blocks.compose import read_catalogue
from belka.chemistry.blocks.feature import BLOCKS_ECFP
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.reader import TrainingBlocks
from belka.contract import BLOCK_IDS, SMILES_NO_LINKER, Subset
from belka.models.unseen import block_columns, block_key
from belka.molecules import list_shards, read_rows


def nearest_training_blocks(molecules_dir: Path, is_new: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Tanimoto similarity of the nearest block of a training molecule, of fingerprints of the blocks by themselves.

    Salts are left out of the comparison. `belka predict` compares blocks as they are in molecules, which gives about
    the same.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        is_new: bool [n_blocks], which blocks to compare.

    Returns:
        float64 [n_blocks], from 0 to 1; 1 for the blocks that are not new, 0 where training has no blocks.
    """
    found = np.where(is_new, 0.0, 1.0)
    trained = _training_blocks(molecules_dir, is_new.size)
    if not is_new.any() or not trained.any():
        return found
    names = [block_key(smiles) for smiles in read_catalogue(molecules_dir)]
    packed = DirectFingerprints(BLOCKS_ECFP).compute(pa.record_batch({SMILES_NO_LINKER: names})).packed
    library = TrainingBlocks(packed[trained])
    for block in np.flatnonzero(is_new):
        found[block] = library.similarity(frozenset(np.flatnonzero(np.unpackbits(packed[block])).tolist()))
    return found


def _training_blocks(molecules_dir: Path, n_blocks: int) -> NDArray[np.bool_]:
    """Mark the blocks of training molecules: those of test molecules are in the table as well."""
    marked = np.zeros(n_blocks, np.bool_)
    for shard in list_shards(molecules_dir):
        if shard.split == Subset.TRAIN.split:
            for batch in read_rows(shard.path, list(BLOCK_IDS)):
                ids = block_columns(batch)
                marked[ids[ids >= 0]] = True
    return marked
