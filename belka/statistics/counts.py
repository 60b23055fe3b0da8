"""Exact counts of molecules, known labels and hits of every block and pair of blocks, in one pass over the molecules.

Positions are kept apart. Pooling two of them is right only for a library that is symmetric in them, as BELKA is in 2
and 3, which files of other libraries do not say; and it is a sum of what is given here.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from belka.contract import (
    BINDS,
    BLOCK_IDS,
    BLOCKS_FILE,
    LABEL_NEGATIVE,
    LABEL_POSITIVE,
    LABEL_UNKNOWN,
    Subset,
)
from belka.errors import InputError
from belka.molecules import MoleculeShard, list_shards, read_rows
from belka.progress import progress
from belka.statistics.tally import Tally

N_POSITIONS: Final = len(BLOCK_IDS)
PAIRS: Final = tuple(combinations(range(1, N_POSITIONS + 1), 2))  # positions count from 1
_BATCH_ROWS: Final = 1 << 16
_AGAIN: Final = "Run the step generate_parquet again."

Positions = tuple[int, ...]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class PositionCounts:
    """Counts of the blocks of one position, or of the pairs of blocks of two, in the order of their SMILES.

    Attributes:
        positions: The position or positions, from 1.
        blocks: For each position the block of every row as its place in `BlockCounts.smiles`, int64[n].
        molecules: Molecules with it, int64[n], at least 1.
        known: Those of known label, int64[n, n_targets].
        hits: Those that bind, int64[n, n_targets].
    """

    positions: Positions
    blocks: tuple[Codes, ...]
    molecules: Codes
    known: Codes
    hits: Codes


@dataclass(frozen=True)
class BlockCounts:
    """Counts of all blocks and pairs.

    Attributes:
        targets: Names of the targets.
        smiles: Canonical SMILES of the blocks, sorted.
        molecules: Molecules counted.
        by_positions: Counts by position or pair of positions, in ascending order, blocks before pairs.
    """

    targets: tuple[str, ...]
    smiles: tuple[str, ...]
    molecules: int
    by_positions: Mapping[Positions, PositionCounts]


def count_blocks(
    molecules_dir: Path,
    targets: tuple[str, ...],
    *,
    subsets: Collection[Subset] = (Subset.TRAIN,),
    n_workers: int = 1,
) -> BlockCounts:
    """Count the blocks of some splits. The result is the same whatever the shards, their order and the workers.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        targets: Names of the targets, in the order of the labels.
        subsets: What is counted; labels of validation would tell models what they are judged by.
        n_workers: Shards read at a time, at least 1.

    Raises:
        InputError: There is no shard at all, or a file is damaged.
    """
    wanted = {subset.split for subset in subsets}
    shards = [shard for shard in list_shards(molecules_dir) if shard.split in wanted and shard.n_rows]
    catalogue = _read_catalogue(molecules_dir / BLOCKS_FILE)
    counter = _Counter(catalogue, len(targets))
    total = sum(shard.n_rows for shard in shards)
    with ThreadPoolExecutor(n_workers) as threads, progress("counting blocks", "molecules", total) as done:
        for shard, _ in zip(shards, threads.map(counter.count, shards), strict=True):
            done.add(shard.n_rows)
    pairs: dict[Positions, PositionCounts] = {positions: counter.pair_counts(positions) for positions in PAIRS}
    blocks: dict[Positions, PositionCounts] = {(i,): _single(i, pairs) for i in range(1, N_POSITIONS + 1)}
    both = {positions: _without_none(counts) for positions, counts in {**blocks, **pairs}.items()}
    return BlockCounts(targets, tuple(sorted(catalogue)), total, both)


class _Counter:
    """Counts pairs of blocks; the code of a block is its place among the sorted SMILES + 1, that of none is 0.

    What is counted are events: a molecule with a pair is number `pair`; its unknown label or its hit for a target is
    the same on a further plane of numbers. Most labels are known negatives, which so cost nothing.
    """

    def __init__(self, catalogue: list[str], n_targets: int) -> None:
        self._n_targets, self._n_blocks = n_targets, len(catalogue)
        self._base = len(catalogue) + 1
        self._codes = np.zeros(self._base, np.int64)
        self._codes[np.argsort(np.array(catalogue, dtype=object), kind="stable")] = np.arange(1, self._base)
        self._codes[-1] = 0  # where a molecule has no block
        self._tallies: dict[Positions, Tally] = {pair: Tally() for pair in PAIRS}

    def count(self, shard: MoleculeShard) -> None:
        """Count the molecules of a shard; may be called on several threads at once."""
        try:
            for batch in read_rows(shard.path, [*BLOCK_IDS, BINDS], batch_rows=_BATCH_ROWS):
                self._count(batch, shard.path)
        except (OSError, pa.ArrowInvalid) as error:
            raise _damaged(shard.path, str(error).split("\n", maxsplit=1)[0], "a whole parquet file") from error

    def _count(self, batch: pa.RecordBatch, path: Path) -> None:
        codes = [self._block_codes(batch.column(name), path) for name in BLOCK_IDS]
        labels = self._labels(batch.column(BINDS), path)
        places = np.flatnonzero(labels != LABEL_NEGATIVE)
        rows, target = np.divmod(places, self._n_targets)
        plane = (1 + 2 * target + (labels[places] == LABEL_POSITIVE)) * self._base**2
        for positions, tally in self._tallies.items():
            first, second = positions
            pair = codes[first - 1] * self._base + codes[second - 1]
            tally.add(np.concatenate([pair, plane + pair[rows]]))

    def pair_counts(self, positions: Positions) -> PositionCounts:
        """What was counted for two positions; code 0 stands for no block."""
        events, numbers = self._tallies[positions].counts()
        ends = np.searchsorted(events, np.arange(2 + 2 * self._n_targets) * self._base**2)
        pairs, molecules = events[: ends[1]], numbers[: ends[1]]
        labelled = np.zeros((2 * self._n_targets, pairs.size), np.int64)
        for plane, row in enumerate(labelled, start=1):
            part = slice(ends[plane], ends[plane + 1])
            row[np.searchsorted(pairs, events[part] - plane * self._base**2)] = numbers[part]
        unknown, hits = labelled[0::2].T, labelled[1::2].T
        return PositionCounts(
            positions, tuple(np.divmod(pairs, self._base)), molecules, molecules[:, None] - unknown, hits
        )

    def _block_codes(self, ids: pa.Array, path: Path) -> Codes:
        if not pa.types.is_integer(ids.type):
            raise _damaged(path, f"block ids of type {ids.type}", "integers")
        found = pc.min_max(ids).as_py()
        least, most = found["min"], found["max"]
        if least is not None and (least < 0 or most >= self._n_blocks):
            raise _damaged(path, f"block ids from {least} to {most}", f"rows of {BLOCKS_FILE}: below {self._n_blocks}")
        known: NDArray[np.integer[Any]] = (ids.fill_null(self._n_blocks) if ids.null_count else ids).to_numpy()
        return self._codes.take(known)

    def _labels(self, binds: pa.Array, path: Path) -> NDArray[np.uint8]:
        """Labels row by row, uint8[n x n_targets]."""
        is_list = pa.types.is_fixed_size_list(binds.type) and binds.type.list_size == self._n_targets
        if not is_list or not pa.types.is_int8(binds.type.value_type):
            raise _damaged(path, f"{BINDS} of type {binds.type}", f"lists of {self._n_targets} int8, one per target")
        values = binds.flatten()
        if binds.null_count or values.null_count:
            raise _damaged(path, f"{BINDS} without a value", "a label in every place")
        labels: NDArray[np.uint8] = values.to_numpy().view(np.uint8)
        if labels.max(initial=0) > LABEL_UNKNOWN:
            raise _damaged(path, f"the label {labels.view(np.int8)[labels.argmax()]}", "0, 1 or 2 (unknown)")
        return labels


def _single(position: int, pairs: Mapping[Positions, PositionCounts]) -> PositionCounts:
    """Counts of the blocks of one position: sums over those of the other one of a pair, none included."""
    counts = next(counts for positions, counts in pairs.items() if position in positions)
    blocks, place = np.unique(counts.blocks[counts.positions.index(position)], return_inverse=True)
    summed = []
    for values in (counts.molecules, counts.known, counts.hits):
        total = np.zeros((blocks.size, *values.shape[1:]), np.int64)
        np.add.at(total, place, values)
        summed.append(total)
    return PositionCounts((position,), (blocks,), *summed)


def _without_none(counts: PositionCounts) -> PositionCounts:
    """The rows that have a block at each position, blocks counted from 0."""
    kept = np.logical_and.reduce([blocks > 0 for blocks in counts.blocks])
    blocks = tuple(blocks[kept] - 1 for blocks in counts.blocks)
    return PositionCounts(counts.positions, blocks, counts.molecules[kept], counts.known[kept], counts.hits[kept])


def _read_catalogue(path: Path) -> list[str]:
    """SMILES of the blocks in the order of their ids."""
    try:
        table = pq.read_table(path, columns=["block_id", "smiles"])
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise _damaged(path, str(error).split("\n", maxsplit=1)[0], "block_id and smiles") from error
    smiles: list[str] = table["smiles"].to_pylist()
    if table["block_id"].to_pylist() != list(range(len(smiles))):
        raise _damaged(path, "block ids that are not 0, 1, 2 and so on", "a row for each block, in the order of its id")
    if None in smiles or len(set(smiles)) != len(smiles):
        raise _damaged(path, "a block without a SMILES, or two blocks of one", "a SMILES of its own for each block")
    return smiles


def _damaged(path: Path, received: str, expected: str) -> InputError:
    return InputError(
        "A file of the molecules table is damaged.", received=f"{path}: {received}", expected=expected, action=_AGAIN
    )
