"""summary.json: what was read, what became of every pair, what came out."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import duckdb
import rdkit

from belka.contract import EXTRA_TARGET, SplitGroup, Subset
from belka.errors import BelkaError
from belka.raw_directory import EXTRA, RawFile
from belka.rejections import OTHER_PROTEIN
from belka.settings import DataSettings
from components.parquet_merge.blocks import BlockTable
from components.parquet_merge.partition import Dealt
from components.parquet_merge.raw_input import RawInput
from components.parquet_merge.refusals import RejectedCount

_TOLD = ("smiles_names_cut", "smiles_respelled", "twins_joined", "conflicting_pairs", "test_second_ids")


def make_summary(
    raw: RawInput, dealt: Dealt, blocks: BlockTable, counts: Counter[str], *, data: DataSettings, seed: int
) -> dict[str, Any]:
    """Put the counts in order, ready for JSON, and check that every row read is accounted for.

    Args:
        raw: The raw files.
        dealt: What became of their rows.
        blocks: The building blocks.
        counts: Counts of all partitions.
        data: The settings the result depends on.
        seed: The seed it depends on.

    Raises:
        BelkaError: If kept, duplicate, withheld and rejected rows do not add up to the rows read, or a label is lost or
            invented.
    """
    targets, rejected = data.targets, dealt.rejected
    summary = {
        "files": {file.source: _file_summary(file, raw.n_rows[file.source], rejected, counts) for file in raw.files},
        "extra_data": _extra_note(raw, data),
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
        **{name: counts[name] for name in _TOLD},
        "test_pairs_absent": {target: counts[f"test_pairs_absent/{i}"] for i, target in enumerate(targets)},
        "molecules_on_both_sides": counts["molecules_on_both_sides"],
        "molecules_in_train_and_extra": counts["molecules_in_train_and_extra"],
        "molecules_with_several_block_triples": counts["molecules_with_several_block_triples"],
        "blocks": blocks.counts(),
        "settings": {
            "targets": list(targets),
            "seed": seed,
            "binds": data.binds.model_dump() if data.binds else None,
            "validation_block_share": data.validation_block_share,
            "validation_shared_share": data.validation_shared_share,
            "use_extra_data": data.use_extra_data,
            "spelling": data.spelling,
            "max_rejected_share": data.max_rejected_share,
            "rows_per_shard": data.rows_per_shard,
        },
        "versions": {"duckdb": duckdb.__version__, "rdkit": rdkit.__version__},
    }
    _check_labels(summary, counts)
    return summary


def _file_summary(
    file: RawFile, n_rows: int, rejected: Sequence[RejectedCount], counts: Counter[str]
) -> dict[str, Any]:
    source = file.source
    reasons = {count.reason: count.n_rows for count in rejected if count.source == source}
    other_proteins = reasons.pop(OTHER_PROTEIN, 0)
    merged = counts[f"{source}_rows"]
    kept = counts["extra_pairs_kept" if source == EXTRA else f"{source}_pairs"]
    withheld = counts["extra_pairs_withheld"] if source == EXTRA else 0
    duplicates = merged - kept - withheld
    if n_rows != merged + other_proteins + sum(reasons.values()) or duplicates < 0:
        raise BelkaError(
            f"The rows of the raw {source} file are not all accounted for.",
            received=f"{n_rows:,} rows read; {kept:,} pairs kept, {duplicates:,} duplicates, "
            f"{withheld:,} withheld, {other_proteins:,} of other proteins, {sum(reasons.values()):,} rejected",
            expected="the five to add up to the rows read",
            action="This is an error of the program; please report it with the file.",
        )
    entry = {
        "name": file.path.name,
        "bytes": file.n_bytes,
        "rows_read": n_rows,
        "pairs_kept": kept,
        "duplicates": duplicates,
        "other_proteins": other_proteins,
        "rejected": sum(reasons.values()),
        "rejected_by_reason": reasons,
    }
    return {**entry, "pairs_withheld_from_validation": withheld} if source == EXTRA else entry


def _extra_note(raw: RawInput, data: DataSettings) -> str:
    if EXTRA in raw.n_rows:
        return "used"
    if not data.use_extra_data:
        return "not used: switched off"
    if EXTRA_TARGET not in data.targets:
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
