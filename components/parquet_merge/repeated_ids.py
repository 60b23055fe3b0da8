"""A quick proof that no id of a raw file repeats, in a bounded amount of memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from belka.contract import RAW_ID
from belka.raw_directory import EXTRA
from components.parquet_merge.raw_tables import RawTable

# One bit an id: 10^9 ids, three times the range of the full library, take 125 MB.
MAX_ID_RANGE = 1_000_000_000
# Batches that fit into the processor's cache.
BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class IdCheck:
    """What is known about the ids of a file.

    Attributes:
        n_usable: Number of rows whose id is a whole number of 0 or more.
        may_repeat: Whether one of these may occur twice.
    """

    n_usable: int
    may_repeat: bool


def check_ids(engine: Any, table: RawTable) -> IdCheck:
    """Look for an id that occurs twice among the ids of 0 or more.

    Files in the order of their ids, as the real one is, are proven by one comparison a row; others by setting one bit an id and
    counting the bits. May run on a thread while others use the connection.

    Args:
        engine: DuckDB connection with the raw view.
        table: The raw table.

    Returns:
        What was found. `may_repeat` is true where an id repeats, and where the ids are neither in order nor within a range of 10^9.
        The extra file has no ids.
    """
    if table.source == EXTRA:
        return IdCheck(0, may_repeat=False)
    n_ids, lowest, highest, is_increasing = _survey(_batches(engine, table))
    if is_increasing:
        return IdCheck(n_ids, may_repeat=False)
    if highest - lowest >= MAX_ID_RANGE:
        return IdCheck(n_ids, may_repeat=True)
    seen = np.zeros((highest - lowest) // 8 + 1, dtype=np.uint8)
    for ids in _batches(engine, table):
        place = ids - lowest
        for bit in range(8):
            # One bit at a time: numpy's indexed |= is lost on repeated indices unless all of them set the same bit.
            seen[place[place & 7 == bit] >> 3] |= np.uint8(1 << bit)
    return IdCheck(n_ids, may_repeat=int(np.bitwise_count(seen).sum(dtype=np.int64)) != n_ids)


def _survey(batches: Iterable[npt.NDArray[np.int64]]) -> tuple[int, int, int, bool]:
    """Number of ids, the lowest, the highest, and whether each is larger than the one before."""
    n_ids, lowest, highest, last, is_increasing = 0, np.iinfo(np.int64).max, -1, -1, True
    for ids in batches:
        is_increasing = is_increasing and bool(ids[0] > last) and bool((ids[1:] > ids[:-1]).all())
        n_ids, last = n_ids + len(ids), int(ids[-1])
        lowest, highest = min(lowest, int(ids.min())), max(highest, int(ids.max()))
    return n_ids, lowest, highest, is_increasing


def _batches(engine: Any, table: RawTable) -> Iterator[npt.NDArray[np.int64]]:
    """The ids of 0 or more; no batch is empty."""
    is_plain = pa.types.is_signed_integer(pq.read_schema(table.parquet_path).field(RAW_ID).type)
    for column in _plain_columns(table) if is_plain else _view_columns(engine, table):
        ids = column.cast(pa.int64())
        if ids.null_count or (pc.min(ids).as_py() or 0) < 0:
            ids = ids.filter(pc.greater_equal(ids, 0))
        if len(ids):
            yield ids.to_numpy()


def _plain_columns(table: RawTable) -> Iterator[pa.Array]:
    """Half the processor time of the view."""
    with pq.ParquetFile(table.parquet_path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=[RAW_ID], use_threads=False):
            yield batch.column(0)


def _view_columns(engine: Any, table: RawTable) -> Iterator[pa.Array]:
    # A cursor of its own: threads must not share a connection, and a result that is not read to its end blocks it.
    with engine.cursor() as cursor:
        for batch in cursor.sql(f"SELECT id FROM {table.view}").to_arrow_reader(BATCH_ROWS):  # noqa: S608 - a name of ours
            yield batch.column(0)
