"""What is told of an enumeration beside its table: what it was made from and how, for readers of the file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import rdkit

from belka.code_version import code_version
from belka.enumeration.enumerate import Enumerated
from belka.files import atomic_path

SUFFIX: Final = ".provenance.json"


def describe(result: Enumerated) -> dict[str, Any]:
    """Counts of the search, what was passed over, and the blocks that were left out."""
    counts, library = result.best.counts, result.library
    return {
        "molecules": result.table.num_rows,
        "blocks": {"first": len(library.first), "second": len(library.second), "third": len(library.third)},
        "products": counts.products,
        "products_opened": counts.opened,
        "products_bounded": counts.bounded,
        "share_opened": counts.opened / max(counts.products, 1),
        "first_blocks_opened": f"{counts.heads_opened} of {counts.heads}",
        "partial_products_opened": f"{counts.amines_opened} of {counts.amines}",
        "pool": len(result.best.scores),
        "passed_over": dict(sorted(result.chosen.passed_over.items())),
        "ties_with_the_last": result.ties,
        "left_out": [gone._asdict() for gone in library.left_out],
        "code_version": code_version(),
        "rdkit": rdkit.__version__,
    }


def write_record(output: Path, result: Enumerated, made_from: Mapping[str, Any]) -> Path:
    """Write it beside the table.

    Args:
        output: The table's file.
        result: The result.
        made_from: Inputs by name, with their digests, and the options.

    Returns:
        The file: the table's name with SUFFIX.
    """
    path = output.with_name(output.name + SUFFIX)
    content = {**made_from, **describe(result)}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
