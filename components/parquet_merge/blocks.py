"""Building blocks of the raw files: their codes, which of them training shows, which are held out for validation."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import RAW_BLOCKS
from belka.errors import InputError
from belka.queries import explained_errors, fetch_row, sql_pattern
from belka.raw_directory import EXTRA, TRAIN, RawFile

# A triple of blocks is one int64: three codes of 21 bits, block id + 1, 0 where there is no block.
CODE_BITS = 21
MAX_BLOCKS = (1 << CODE_BITS) - 1


@dataclass(frozen=True)
class BlockTable:
    """All distinct building blocks; the block id is the position in sorted order.

    Attributes:
        smiles: SMILES in the one spelling, sorted by code point.
        in_training: bool[n_blocks], whether the raw training file shows the block, in any position.
        in_validation: bool[n_blocks], whether the block is held out for validation; a subset of `in_training`.
        training_positions: For each of the three positions, whether the training file has blocks there at all. A
            library with fewer positions leaves a column empty.
    """

    smiles: tuple[str, ...]
    in_training: npt.NDArray[np.bool_]
    in_validation: npt.NDArray[np.bool_]
    training_positions: tuple[bool, ...]


def collect_blocks(engine: Any, files: Sequence[RawFile], *, seed: int, share: float, work_dir: Path) -> BlockTable:
    """Read the distinct blocks of the train and test files, draw the held-out ones, and make the DuckDB type `block`.

    `block` is an ENUM over the empty text and the sorted SMILES, so that a cast turns a SMILES into its code.

    Args:
        engine: DuckDB connection with the raw views.
        files: The raw files.
        seed: Seed of the draw; any integer.
        share: Share of the training file's distinct blocks to hold out, in [0, 1); rounded to the nearest count, but at
            least one block when it is above 0 and there are at least two.
        work_dir: Existing folder for a temporary file.

    Raises:
        InputError: If there are more blocks than a code has room for.
    """
    by_position: dict[str, list[set[str]]] = {}
    for file in files:
        if file.source != EXTRA:
            lists = ", ".join(f"list(DISTINCT block{i})" for i in (1, 2, 3))
            with explained_errors(f"reading {file.path}"):
                found = fetch_row(engine, f"SELECT {lists} FROM {file.source}_raw")  # noqa: S608 - names of ours
            by_position[file.source] = [set(blocks or ()) - {None, ""} for blocks in found]
    smiles = sorted(set().union(*(blocks for positions in by_position.values() for blocks in positions)))
    if len(smiles) > MAX_BLOCKS:
        raise InputError(
            "There are too many distinct building blocks.",
            received=f"{len(smiles):,}",
            expected=f"at most {MAX_BLOCKS:,}",
            action="Check that the building block columns hold building blocks, not whole molecules.",
        )
    training = set().union(*by_position[TRAIN])
    held_out = _draw(training, seed=seed, share=share)
    # Through a file: to hand DuckDB an Arrow table imports pandas, a second of start-up.
    list_path = work_dir / "block_list.parquet"
    pq.write_table(pa.table({"smiles": pa.array(["", *smiles], pa.string())}), list_path)
    engine.execute(f"CREATE TYPE block AS ENUM (SELECT smiles FROM read_parquet({sql_pattern(list_path)}))")  # noqa: S608 - the path is quoted
    return BlockTable(
        tuple(smiles),
        np.array([block in training for block in smiles], dtype=np.bool_),
        np.array([block in held_out for block in smiles], dtype=np.bool_),
        tuple(bool(blocks) for blocks in by_position[TRAIN]),
    )


def code_sql(column: str) -> str:
    """SQL of the code of a block in a VARCHAR column, BIGINT: block id + 1, 0 where there is no block."""
    return f"coalesce(enum_code({column}::block)::BIGINT, 0)"


def block_codes(triple: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Split coded triples, int64[n], into the codes of the three positions: block id + 1, 0 = no block."""
    return [(triple >> (CODE_BITS * position)) & MAX_BLOCKS for position in range(len(RAW_BLOCKS))]


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
