"""From the molecules table to the tables of block statistics."""

import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from belka.contract import SUMMARY_FILE, Subset
from belka.errors import InputError
from belka.statistics.counts import count_blocks
from belka.statistics.tables import write_statistics

logger = logging.getLogger(__name__)


def compute_statistics(
    molecules_dir: Path, output_dir: Path, *, n_workers: int, subsets: Collection[Subset] = (Subset.TRAIN,)
) -> dict[str, Any]:
    """Count the blocks and pairs of blocks of some splits and write what they say about each target.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        output_dir: Receives blocks.parquet, pairs.parquet and summary.json.
        n_workers: Shards read at a time, at least 1.
        subsets: What is counted; labels of validation would tell models what they are judged by.

    Returns:
        The content of summary.json.

    Raises:
        InputError: There is no shard at all, or a file is damaged.
    """
    counts = count_blocks(molecules_dir, _targets(molecules_dir), subsets=subsets, n_workers=n_workers)
    splits = [subset.split for subset in Subset if subset in subsets]
    if not any(part.molecules.size for part in counts.by_positions.values()):
        logger.warning("No molecule of %s has building blocks: their statistics are empty.", " or ".join(splits))
    summary = write_statistics(counts, output_dir, about={"splits": splits})
    logger.info(
        "%d blocks and %d pairs of blocks counted in %s molecules.",
        *(sum(part.molecules.size for p, part in counts.by_positions.items() if len(p) == n) for n in (1, 2)),
        f"{counts.molecules:,}",
    )
    return summary


def _targets(molecules_dir: Path) -> tuple[str, ...]:
    path = molecules_dir / SUMMARY_FILE
    try:
        return tuple(json.loads(path.read_text(encoding="utf-8"))["settings"]["targets"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "The summary of the molecules table cannot be read.",
            received=f"{path}: {error}",
            expected="the output of ParquetMerge, which names the targets",
            action="Run the step generate_parquet again.",
        ) from error
