"""Draw molecules evenly over building blocks, and at random, from a molecules table of any size."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import BLOCK_IDS, MOLECULE_ID, SMILES, SMILES_NO_LINKER
from belka.hashing import splitmix64
from belka.molecules import MoleculeShard, read_rows

SAMPLE_COLUMNS: Final = (MOLECULE_ID, SMILES, SMILES_NO_LINKER, *BLOCK_IDS)
Numbers = npt.NDArray[np.int64]

_SCAN_ROWS: Final = 1 << 17
_COMPACT_ABOVE: Final = 1 << 20  # candidates; 24 bytes each
_DRAW: Final = 29  # a step of the hash that nothing else draws with


def sample_molecules(shards: Sequence[MoleculeShard], *, n_blocks: int, per_block: int, at_random: int) -> pa.Table:
    """Draw molecules evenly over blocks.

    Blocks of the first position are counted apart from those of the second and third, which share a row of
    fingerprints.

    Args:
        shards: The molecules table.
        n_blocks: Number of building blocks; block ids are below.
        per_block: Molecules of each block and position wanted; all of them where there are fewer.
        at_random: Further molecules with three blocks, whatever these are.

    Returns:
        Distinct molecules with SAMPLE_COLUMNS, in the order of the table; molecules without three blocks are never
        drawn. The same for the same table, whatever its shards.
    """
    drawn = _Draw(2 * n_blocks + 1, np.array([per_block] * (2 * n_blocks) + [at_random]))
    position = 0
    for shard in shards:
        for batch in read_rows(shard.path, [MOLECULE_ID, *BLOCK_IDS], batch_rows=_SCAN_ROWS):
            blocks = [batch.column(name).cast(pa.int64()).fill_null(-1).to_numpy() for name in BLOCK_IDS]
            rows = np.flatnonzero((blocks[0] >= 0) & (blocks[1] >= 0) & (blocks[2] >= 0))
            hashes = splitmix64(batch.column(MOLECULE_ID).to_numpy()[rows])
            first, second, third = (ids[rows] for ids in blocks)
            for stratum in (first, n_blocks + second, n_blocks + third, np.full(len(rows), 2 * n_blocks)):
                drawn.add(stratum, hashes, position + rows)
            position += batch.num_rows
    return _read(shards, drawn.positions(), SAMPLE_COLUMNS)


def draw_molecules(shards: Sequence[MoleculeShard], count: int, *, seed: int, columns: Sequence[str]) -> pa.Table:
    """Draw molecules at random, whatever their blocks.

    Args:
        shards: The molecules table, or some splits of it.
        count: Molecules wanted; all of them where there are fewer.
        seed: Another seed draws others.
        columns: What is read of them.

    Returns:
        Distinct molecules in the order of the table. The same for the same table, whatever its shards.
    """
    drawn = _Draw(1, np.array([count]))
    position = 0
    for shard in shards:
        for batch in read_rows(shard.path, [MOLECULE_ID], batch_rows=_SCAN_ROWS):
            hashes = splitmix64(batch.column(MOLECULE_ID).to_numpy() + (seed << 32), _DRAW)
            rows = np.arange(batch.num_rows)
            drawn.add(np.zeros(len(rows), np.int64), hashes, position + rows)
            position += batch.num_rows
    return _read(shards, drawn.positions(), columns)


class _Draw:
    """Keeps the molecules with the lowest hashes of each stratum.

    Args:
        n_strata: Number of strata.
        sizes: int64 [n_strata], how many to keep of each.
    """

    def __init__(self, n_strata: int, sizes: npt.NDArray[np.int64]) -> None:
        self._sizes = sizes
        # A hash at or above its stratum's bound can no longer be among the lowest.
        self._bounds = np.where(sizes > 0, np.iinfo(np.uint64).max, 0).astype(np.uint64)
        self._kept: list[tuple[Numbers, npt.NDArray[np.uint64], Numbers]] = []
        self._n_kept = 0
        self._n_strata = n_strata

    def add(self, strata: Numbers, hashes: npt.NDArray[np.uint64], positions: Numbers) -> None:
        """Consider molecules: their strata, hashes and positions in the table, each [n]."""
        chosen = np.flatnonzero(hashes < self._bounds[strata])
        self._kept.append((strata[chosen], hashes[chosen], positions[chosen]))
        self._n_kept += len(chosen)
        if self._n_kept > _COMPACT_ABOVE:
            self._compact()

    def positions(self) -> npt.NDArray[np.int64]:
        """Return the positions of all that are kept, ascending, each once."""
        self._compact()
        return np.unique(self._kept[0][2])

    def _compact(self) -> None:
        if not self._kept:
            self._kept.append((np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.int64)))
        strata, hashes, positions = (np.concatenate(parts) for parts in zip(*self._kept, strict=True))
        order = np.lexsort((positions, hashes, strata))
        strata, hashes, positions = strata[order], hashes[order], positions[order]
        # A block may fill the second and the third position of one molecule.
        first = np.ones(len(strata), dtype=np.bool_)
        first[1:] = (strata[1:] != strata[:-1]) | (positions[1:] != positions[:-1])
        strata, hashes, positions = strata[first], hashes[first], positions[first]
        starts = np.searchsorted(strata, np.arange(self._n_strata))
        rank = np.arange(len(strata)) - starts[strata]
        last = rank == self._sizes[strata] - 1
        self._bounds[strata[last]] = hashes[last]
        low = rank < self._sizes[strata]
        self._kept = [(strata[low], hashes[low], positions[low])]
        self._n_kept = int(low.sum())


def _read(shards: Sequence[MoleculeShard], positions: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
    """Read the rows at ascending positions of the whole table; row groups without any are skipped."""
    tables: list[pa.Table] = []
    start = 0
    for shard in shards:
        with pq.ParquetFile(shard.path) as file:
            for group in range(file.metadata.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                first, last = np.searchsorted(positions, (start, stop))
                if first < last:
                    rows = file.read_row_group(group, columns=list(columns))
                    tables.append(rows.select(columns).take(pa.array(positions[first:last] - start)))
                start = stop
    empty = pa.table({name: [] for name in columns})
    return pa.concat_tables(tables) if tables else empty
