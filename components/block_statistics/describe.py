"""Describe building blocks and pairs of them by how often they bind, as a plain function without an orchestrator."""

from pathlib import Path
from typing import Any

from belka.statistics.compute import compute_statistics
from components.block_statistics.page import write_page


def describe_blocks(molecules_dir: Path, output_dir: Path, *, n_workers: int) -> dict[str, Any]:
    """Write the statistics of the training molecules and the page that shows them.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        output_dir: Receives blocks.parquet, pairs.parquet, summary.json and enrichment.html.
        n_workers: Shards read at a time, at least 1.

    Returns:
        The content of summary.json.

    Raises:
        InputError: There is no shard at all, or a file is damaged.
    """
    summary = compute_statistics(molecules_dir, output_dir, n_workers=n_workers)
    write_page(output_dir)
    return summary
