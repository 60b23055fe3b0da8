"""The building blocks that a model was trained with, kept beside it: training_blocks.parquet."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from belka.chemistry.reader import Block, Chemistry, packed_block
from belka.chemistry.smiles import parse
from belka.contract import BLOCK_IDS, BLOCKS_FILE, SMILES_NO_LINKER, TRAINING_BLOCKS_FILE, Subset
from belka.errors import InputError
from belka.files import atomic_path
from belka.molecules import list_shards, read_rows

_BITS: Final = "bits"
_TRIED_PER_BLOCK: Final = 3


def write_training_blocks(molecules_dir: Path, folder: Path) -> int:
    """Write the bits of every building block of the training molecules; nothing where they have no common core.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        folder: Receives training_blocks.parquet.

    Returns:
        Number of different blocks.
    """
    chemistry = Chemistry()
    found: set[Block] = set()
    for smiles in _molecules_with_every_block(molecules_dir):
        molecule = parse(smiles)
        if not isinstance(molecule, str):
            found.update(chemistry.blocks(molecule))
    if found:
        packed = sorted(map(packed_block, found))
        table = pa.table({_BITS: pa.array(packed, pa.binary(len(packed[0])))})
        with atomic_path(folder / TRAINING_BLOCKS_FILE) as temporary:
            pq.write_table(table, temporary)
    return len(found)


def read_training_blocks(folder: Path) -> NDArray[np.uint8] | None:
    """Read what `write_training_blocks` wrote.

    Args:
        folder: The folder of a pushed model.

    Returns:
        uint8 [n, n_bytes]; None where the folder has none.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / TRAINING_BLOCKS_FILE
    if not path.is_file():
        return None
    try:
        column = pq.read_table(path)[_BITS]
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise InputError(
            "The training blocks of the model cannot be read.",
            received=f"{path}: {error}",
            expected="the file as it was pushed",
            action="Copy the model again, or delete the file to predict without it.",
        ) from error
    return np.frombuffer(b"".join(column.to_pylist()), np.uint8).reshape(len(column), -1)


def _molecules_with_every_block(molecules_dir: Path) -> list[str]:
    """SMILES of training molecules that together hold every block, each block in a few of them."""
    n_blocks = pq.read_metadata(molecules_dir / BLOCKS_FILE).num_rows
    missing = np.full((len(BLOCK_IDS), n_blocks), _TRIED_PER_BLOCK)
    chosen: list[str] = []
    for shard in list_shards(molecules_dir):
        if shard.split != Subset.TRAIN.split:
            continue
        for batch in read_rows(shard.path, [SMILES_NO_LINKER, *BLOCK_IDS]):
            ids = [pc.fill_null(batch.column(name), -1).to_numpy() for name in BLOCK_IDS]
            whole = np.all([column >= 0 for column in ids], axis=0)
            wanted = whole & np.any([missing[i][column] > 0 for i, column in enumerate(ids)], axis=0)
            for row in np.flatnonzero(wanted):
                if any(missing[i][column[row]] > 0 for i, column in enumerate(ids)):
                    chosen.append(batch.column(SMILES_NO_LINKER)[int(row)].as_py())
                    for i, column in enumerate(ids):
                        missing[i][column[row]] -= 1
    return chosen
