"""The parquet shards of the molecules table and their rows in order; the schema of rejected.parquet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import REJECTED_COLUMNS, Subset, split_folder
from belka.errors import InputError

SHARD_PATTERN: Final = "molecules-*.parquet"
# The schema of every rejected.parquet. Values are kept as the raw text: what was wrong with a row may be that its id or
# label is no number.
REJECTED_SCHEMA: Final = pa.schema([(name, pa.int64() if name == "row" else pa.string()) for name in REJECTED_COLUMNS])


@dataclass(frozen=True)
class MoleculeShard:
    """One parquet shard.

    Attributes:
        split: `train`, `validation` or `test`.
        path: The parquet file.
        n_rows: Number of its rows.
    """

    split: str
    path: Path
    n_rows: int


def list_shards(molecules_dir: Path) -> list[MoleculeShard]:
    """List the shards of a Molecules folder: by split (train, validation, test), then by file name.

    Args:
        molecules_dir: Folder that holds `Split-<split>/molecules-NNNNN.parquet`.

    Returns:
        The shards; a split without a folder or without a file contributes none.

    Raises:
        InputError: If there is no shard at all, or one cannot be read as parquet.
    """
    shards: list[MoleculeShard] = []
    for subset in Subset:
        folder = molecules_dir / split_folder(subset.split)
        for path in sorted(folder.glob(SHARD_PATTERN)):
            try:
                n_rows = pq.read_metadata(path).num_rows
            except (OSError, pa.ArrowInvalid) as error:
                raise InputError(
                    "A molecules shard cannot be read.",
                    received=f"{path}: {error}",
                    expected="a whole parquet file written by ParquetMerge",
                    action="Run the step generate_parquet again.",
                ) from error
            shards.append(MoleculeShard(subset.split, path, n_rows))
    if not shards:
        raise InputError(
            "There are no molecules.",
            received=f"no file {molecules_dir}/{split_folder('*')}/{SHARD_PATTERN}",
            expected="the output of ParquetMerge",
            action="Run the step generate_parquet first.",
        )
    return shards


def read_rows(
    path: Path, columns: list[str], *, start: int = 0, stop: int | None = None, batch_rows: int = 16_384
) -> Iterator[pa.RecordBatch]:
    """Read rows `start` to `stop` of a shard; row groups outside the range are not touched.

    Args:
        path: The parquet file.
        columns: Names of the columns to read.
        start: First row, from 0.
        stop: Row after the last; None = to the end.
        batch_rows: Upper bound of rows in a batch.

    Yields:
        Batches in row order, without empty ones.

    Raises:
        InputError: If a column is missing.
    """
    # Buffered ahead, the bytes of all row groups read so far stay in memory.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        missing = [name for name in columns if name not in file.schema_arrow.names]
        if missing:
            raise InputError(
                "A molecules shard lacks columns.",
                received=f"{path} has {', '.join(file.schema_arrow.names)}",
                expected=f"also {', '.join(missing)}",
                action="Run the step generate_parquet again.",
            )
        last = file.metadata.num_rows if stop is None else stop
        group_start = 0
        for group in range(file.metadata.num_row_groups):
            group_stop = group_start + file.metadata.row_group(group).num_rows
            if group_start < last and group_stop > start:
                position = group_start
                for batch in file.iter_batches(batch_size=batch_rows, row_groups=[group], columns=columns):
                    first = max(start - position, 0)
                    count = min(last - position, batch.num_rows) - first
                    if count > 0:
                        yield batch.slice(first, count)
                    position += batch.num_rows
            group_start = group_stop
