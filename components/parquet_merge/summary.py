"""summary.json: what was read, what became of every pair, what came out."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import duckdb

from belka.contract import EXTRA_TARGET, SplitGroup, Subset
from belka.errors import BelkaError
from belka.raw_directory import EXTRA
from components.parquet_merge.checks import RejectedCount
from components.parquet_merge.raw_data import RawData


def make_summary(
    raw: RawData, rejected: Sequence[RejectedCount], counts: Counter[str], settings: dict[str, Any]
) -> dict[str, Any]:
    """Put the counts in order and check that every row read is accounted for.

    Args:
        raw: The raw files.
        rejected: Rejected rows by file and reason.
        counts: Counts of all partitions.
        settings: The settings the result depends on.

    Returns:
        The summary, ready for JSON.

    Raises:
        BelkaError: If kept, duplicate, withheld and rejected rows do not add up to the rows read, or a label is lost or invented.
    """
    targets = settings["targets"]
    summary = {
        "files": {table.source: _file_summary(table.source, raw, rejected, counts) for table in raw.tables},
        "extra_data": _extra_note(raw, settings),
        "molecules": {
            subset.split: {group.label: counts[f"molecules/{subset.split}/{group.label}"] for group in SplitGroup}
            for subset in Subset
        },
        "labels": {
            subset.split: {
                target: {
                    name: counts[f"labels/{subset.split}/{target}/{code}"]
                    for code, name in enumerate(("negative", "positive", "unknown"))
                }
                for target in targets
            }
            for subset in (Subset.TRAIN, Subset.VALIDATION)
        },
        "conflicting_pairs": counts["conflicting_pairs"],
        "test_pairs_absent": {target: counts[f"test_pairs_absent/{i}"] for i, target in enumerate(targets)},
        "molecules_on_both_sides": counts["molecules_on_both_sides"],
        "molecules_in_train_and_extra": counts["molecules_in_train_and_extra"],
        "molecules_with_several_block_triples": counts["molecules_with_several_block_triples"],
        "blocks": {
            "distinct": len(raw.blocks.smiles),
            "in_training": int(raw.blocks.in_training.sum()),
            "in_validation": int(raw.blocks.in_validation.sum()),
        },
        "settings": settings,
        "versions": {"duckdb": duckdb.__version__},
    }
    _check_labels(summary, counts)
    return summary


def _file_summary(source: str, raw: RawData, rejected: Sequence[RejectedCount], counts: Counter[str]) -> dict[str, Any]:
    (table,) = [table for table in raw.tables if table.source == source]
    reasons = {count.reason: count.n_rows for count in rejected if count.source == source}
    merged = counts[f"{source}_rows"]
    kept = counts["extra_pairs_kept" if source == EXTRA else f"{source}_pairs"]
    withheld = counts["extra_pairs_withheld"] if source == EXTRA else 0
    duplicates = merged - kept - withheld
    if table.n_rows != merged + sum(reasons.values()) or duplicates < 0:
        raise BelkaError(
            f"The rows of the raw {source} file are not all accounted for.",
            received=f"{table.n_rows:,} rows read; {kept:,} pairs kept, {duplicates:,} duplicates, "
            f"{withheld:,} withheld, {sum(reasons.values()):,} rejected",
            expected="the four to add up to the rows read",
            action="This is an error of the program; please report it with the file.",
        )
    entry = {
        "name": table.file.path.name,
        "bytes": table.file.path.stat().st_size,
        "rows_read": table.n_rows,
        "pairs_kept": kept,
        "duplicates": duplicates,
        "rejected": sum(reasons.values()),
        "rejected_by_reason": reasons,
    }
    return {**entry, "pairs_withheld_from_validation": withheld} if source == EXTRA else entry


def _extra_note(raw: RawData, settings: dict[str, Any]) -> str:
    if any(table.source == EXTRA for table in raw.tables):
        return "used"
    if not settings["use_extra_data"]:
        return "not used: switched off"
    if EXTRA_TARGET not in settings["targets"]:
        return f"not used: {EXTRA_TARGET} is not among the targets"
    return "not used: the file is absent"


def _check_labels(summary: dict[str, Any], counts: Counter[str]) -> None:
    """The labels written must be the distinct pairs read; a pair both in train and extra data is one label."""
    written = sum(
        label["negative"] + label["positive"] for split in summary["labels"].values() for label in split.values()
    )
    read = counts["train_pairs"] + counts["extra_pairs_kept"] - counts["pairs_in_train_and_extra"]
    if written != read:
        raise BelkaError(
            "A label was lost or invented.",
            received=f"{written:,} labels written",
            expected=f"{read:,}, the distinct (molecule, protein) pairs read",
            action="This is an error of the program; please report it with the files.",
        )
