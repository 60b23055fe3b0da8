"""Building blocks of the raw files: their ids, which of them training shows, which are held out for validation."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from belka.contract import RAW_BLOCKS
from belka.errors import InputError
from belka.machine import worker_count
from belka.raw_directory import EXTRA, TRAIN
from components.parquet_merge.engine import explained_errors, sql_string
from components.parquet_merge.raw_tables import RawTable

N_POSITIONS = len(RAW_BLOCKS)
# A triple of blocks is one int64: three codes of 21 bits, block id + 1, 0 where there is no block.
CODE_BITS = 21
BATCH_ROWS = 1 << 20
MAX_BLOCKS = (1 << CODE_BITS) - 1


@dataclass(frozen=True)
class BlockTable:
    """All distinct building blocks; the block id is the position in sorted order.

    Attributes:
        smiles: SMILES as given, sorted by code point.
        in_training: bool[n_blocks], whether the raw training file shows the block, in any position.
        in_validation: bool[n_blocks], whether the block is held out for validation; a subset of `in_training`.
        training_positions: For each of the three positions, whether the training file has blocks there at all. A library with
            fewer positions leaves a column empty.
    """

    smiles: tuple[str, ...]
    in_training: npt.NDArray[np.bool_]
    in_validation: npt.NDArray[np.bool_]
    training_positions: tuple[bool, ...]


def collect_blocks(
    engine: Any, tables: tuple[RawTable, ...], *, seed: int, validation_block_share: float, work_dir: Path
) -> BlockTable:
    """Read the distinct blocks of the train and test files, draw the held-out ones, and make the DuckDB type `block`.

    `block` is an ENUM over the sorted SMILES, so that a cast turns a SMILES into its block id.

    Args:
        engine: DuckDB connection.
        tables: The open raw tables.
        seed: Seed of the draw; any integer.
        validation_block_share: Share of the training file's distinct blocks to hold out, in [0, 1); rounded to the nearest
            count, but at least one block when it is above 0 and there are at least two.
        work_dir: Existing folder for a temporary file.

    Returns:
        The blocks.

    Raises:
        InputError: If there are more blocks than a code has room for.
    """
    by_position: dict[tuple[str, int], set[str]] = {}
    # One core is left to the check of ids, which runs at the same time.
    n_threads = max(1, min(N_POSITIONS, worker_count(0) - 1))
    for table in tables:
        if table.source == EXTRA:
            continue
        with explained_errors(f"reading {table.file.path}"), ThreadPoolExecutor(n_threads) as executor:
            found = executor.map(_distinct_values, [table.parquet_path] * N_POSITIONS, RAW_BLOCKS)
            by_position |= {(table.source, position): blocks for position, blocks in enumerate(found)}
    smiles = sorted(set().union(*by_position.values()))
    if len(smiles) > MAX_BLOCKS:
        raise InputError(
            "There are too many distinct building blocks.",
            received=f"{len(smiles):,}",
            expected=f"at most {MAX_BLOCKS:,}",
            action="Check that the building block columns hold building blocks, not whole molecules.",
        )
    training = set().union(*(by_position[TRAIN, position] for position in range(N_POSITIONS)))
    held_out = _draw(training, seed=seed, share=validation_block_share)
    # Through a file: to hand DuckDB an Arrow table imports pandas, a second of start-up.
    list_path = work_dir / "block_list.parquet"
    pq.write_table(pa.table({"smiles": pa.array(smiles or [""], pa.string())}), list_path)
    engine.execute(f"CREATE TYPE block AS ENUM (SELECT smiles FROM read_parquet({sql_string(list_path)}))")  # noqa: S608 - the path is quoted
    return BlockTable(
        tuple(smiles),
        np.array([block in training for block in smiles], dtype=np.bool_),
        np.array([block in held_out for block in smiles], dtype=np.bool_),
        tuple(bool(by_position[TRAIN, position]) for position in range(N_POSITIONS)),
    )


def write_blocks(blocks: BlockTable, path: Path) -> None:
    """Write blocks.parquet: block_id int32, smiles string, in_validation bool.

    Args:
        blocks: The blocks.
        path: The file to write.
    """
    table = pa.table(
        {
            "block_id": pa.array(np.arange(len(blocks.smiles), dtype=np.int32)),
            "smiles": pa.array(blocks.smiles, pa.string()),
            "in_validation": pa.array(blocks.in_validation),
        }
    )
    pq.write_table(table, path, compression="zstd")


def _draw(blocks: set[str], *, seed: int, share: float) -> set[str]:
    """Draw by the order of a keyed hash: adding a block to the library moves at most a few others in or out."""
    n_drawn = round(share * len(blocks))
    if share > 0 and len(blocks) > 1:
        n_drawn = max(n_drawn, 1)
    ranked = sorted(blocks, key=lambda block: hashlib.blake2b(f"{seed}:{block}".encode(), digest_size=16).digest())
    return set(ranked[:n_drawn])


def _distinct_values(path: Path, column: str) -> set[str]:
    """Distinct texts of a parquet column but the empty one; its dictionaries are decoded, not its rows."""
    values: set[str] = set()
    with pq.ParquetFile(path, read_dictionary=[column]) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=[column], use_threads=False):
            blocks = batch.column(0)
            values.update(blocks.dictionary.take(pc.unique(blocks.indices)).to_pylist())
    return values - {None, ""}
