"""Rows and molecules that cannot be used: what to do about too many of them, and their list where users look for it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from belka.files import atomic_path
from belka.molecules import REJECTED_SCHEMA

# Rows of another protein than the targets are intact: they are left out, and count in no share of unusable rows.
OTHER_PROTEIN: Final = "protein is not among data.targets"


def is_one_fault(reasons: Mapping[str, int], total: int) -> bool:
    """Whether one reason has most of all rows or molecules; `reasons` holds at least one."""
    return 2 * max(reasons.values()) > total


def share_advice(reasons: Mapping[str, int], total: int) -> str:
    """Say what to do where too large a share cannot be used.

    A larger share is offered only where no reason has most of the rows: else what is left is another data set, such as
    the pairs that were read once or never where the labels are counts.

    Args:
        reasons: Rows or molecules by reason; at least one.
        total: All rows or molecules, usable or not.
    """
    if is_one_fault(reasons, total):
        return "One fault in most of them is a fault of the file, or of what the configuration says of it: mend that."
    return "Correct them, or raise data.max_rejected_share if losing them is intended."


def collect_rejected(lists: Sequence[Path], target: Path) -> dict[str, dict[str, int]]:
    """Write the lists of several steps as one.

    Args:
        lists: Their rejected.parquet files.
        target: The file to write; it appears whole, or not at all.

    Returns:
        Source -> reason -> number of its lines, the most frequent first.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with atomic_path(target) as temporary, pq.ParquetWriter(temporary, REJECTED_SCHEMA, compression="zstd") as writer:
        for path in lists:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    writer.write_batch(batch.cast(REJECTED_SCHEMA))
                    by_reason = pa.table(batch).group_by(["source", "reason"]).aggregate([([], "count_all")])
                    for line in by_reason.to_pylist():
                        counts[line["source"]][line["reason"]] += line["count_all"]
    return {source: dict(by_reason.most_common()) for source, by_reason in counts.items()}
