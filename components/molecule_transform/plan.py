"""Which rows go to which TFRecord shard: the units of work of the transform."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from belka.contract import Subset, split_folder
from belka.molecules import MoleculeShard
from belka.settings import DataSettings

# A split of at least MIN_SHARDS x MIN_ROWS rows gets MIN_SHARDS shards, whatever rows_per_shard says, so that several
# workers share it. The rule must not depend on the number of workers: the shards are the same bytes for any.
MIN_SHARDS = 8
MIN_ROWS = 4096


@dataclass(frozen=True)
class RowRange:
    """Some rows of one parquet file.

    Attributes:
        path: The file.
        start: The first row.
        stop: The row behind the last one.
    """

    path: str
    start: int
    stop: int


@dataclass(frozen=True)
class WorkUnit:
    """One TFRecord shard to write.

    Attributes:
        split: `train`, `validation` or `test`.
        index: Number of the shard within the split, from 0.
        sources: The rows it holds, in order; none for the only shard of an empty split.
        target: The TFRecord file.
    """

    split: str
    index: int
    sources: tuple[RowRange, ...]
    target: str

    @property
    def n_rows(self) -> int:
        """Number of molecules."""
        return sum(source.stop - source.start for source in self.sources)


def plan_units(shards: Sequence[MoleculeShard], examples_dir: Path, data: DataSettings) -> list[WorkUnit]:
    """Cut every split, train first, into TFRecord shards of equal size (to within one row).

    A split without molecules gets one shard without records, so that whatever lists `Split-<split>/*` finds a file.

    Args:
        shards: The parquet shards.
        examples_dir: Folder of the Examples artifact.
        data: Largest number of molecules in a shard, and their compression: gzip adds the suffix `.gz`, by which TFX
            and Beam know compressed files.
    """
    suffix = ".gz" if data.compression == "gzip" else ""
    units: list[WorkUnit] = []
    for subset in Subset:
        parts = [shard for shard in shards if shard.split == subset.split]
        n_rows = sum(part.n_rows for part in parts)
        n_shards = max(1, -(-n_rows // data.rows_per_shard), min(MIN_SHARDS, n_rows // MIN_ROWS))
        for index in range(n_shards):
            sources = _rows_between(parts, n_rows * index // n_shards, n_rows * (index + 1) // n_shards)
            name = f"data_tfrecord-{index:05d}-of-{n_shards:05d}{suffix}"
            units.append(WorkUnit(subset.split, index, sources, str(examples_dir / split_folder(subset.split) / name)))
    return units


def _rows_between(parts: Sequence[MoleculeShard], start: int, stop: int) -> tuple[RowRange, ...]:
    """Find rows `start` to `stop` of the concatenated parts."""
    ranges: list[RowRange] = []
    position = 0
    for part in parts:
        first, last = max(start - position, 0), min(stop - position, part.n_rows)
        if first < last:
            ranges.append(RowRange(str(part.path), first, last))
        position += part.n_rows
    return tuple(ranges)
