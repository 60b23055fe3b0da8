"""A quick proof that no id of a raw file repeats, in a bounded amount of memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from components.parquet_merge.engine import fetch_row

# One bit an id: 10^9 ids, three times the range of the full library, take 125 MB.
MAX_ID_RANGE = 1_000_000_000
BATCH_ROWS = 1 << 20


def may_have_repeated_ids(engine: Any, view: str) -> bool:
    """Look for an id that occurs twice among the ids of 0 or more.

    Files in the order of their ids, as the real one is, are proven by one comparison a row; others by setting one bit an id and
    counting the bits.

    Args:
        engine: DuckDB connection.
        view: View or table with the column id BIGINT.

    Returns:
        False if no id repeats. True if one does, or if the ids are neither in order nor within a range of 10^9.
    """
    if _is_increasing(engine, view):
        return False
    sql = f"SELECT count(id), min(id), max(id) FROM {view} WHERE id >= 0"  # noqa: S608 - a name of ours
    n_ids, lowest, highest = fetch_row(engine, sql)
    if highest - lowest >= MAX_ID_RANGE:
        return True
    seen = np.zeros((highest - lowest) // 8 + 1, dtype=np.uint8)
    for ids in _batches(engine, view):
        place = ids - lowest
        for bit in range(8):
            # One bit at a time: numpy's indexed |= is lost on repeated indices unless all of them set the same bit.
            seen[place[place & 7 == bit] >> 3] |= np.uint8(1 << bit)
    return int(np.bitwise_count(seen).sum(dtype=np.int64)) != int(n_ids)


def _is_increasing(engine: Any, view: str) -> bool:
    last = -1
    for ids in _batches(engine, view):
        if ids[0] <= last or (ids[1:] <= ids[:-1]).any():
            return False
        last = ids[-1]
    return True


def _batches(engine: Any, view: str) -> Iterator[npt.NDArray[np.int64]]:
    # A cursor of its own: a result that is not read to its end blocks its connection.
    with engine.cursor() as cursor:
        sql = f"SELECT id FROM {view} WHERE id >= 0"  # noqa: S608 - a name of ours
        for batch in cursor.sql(sql).to_arrow_reader(BATCH_ROWS):
            if batch.num_rows:
                yield batch["id"].to_numpy()
