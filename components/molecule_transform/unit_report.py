"""What a unit of work leaves for the end of the transform: its counts and refused molecules, in one parquet file."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import IDS, MOLECULE_ID, REJECTED_FILE, SMILES, Subset
from belka.files import atomic_path
from belka.molecules import REJECTED_SCHEMA

_COUNTS_KEY = b"unit_counts"


@dataclass
class UnitCounts:
    """Counts of one shard, or of several added up.

    Attributes:
        molecules: Molecules read.
        written: Examples written.
        composed: Molecules whose fingerprint was put together from building blocks.
        contradicted: Molecules whose SMILES does not fit the building blocks they are listed with.
        rejected: Reason -> molecules.
        too_long: Molecules written that have more than `max_length` tokens.
        unknown_tokens: Tokens the vocabulary lacks.
        without_blocks: Molecules written with an empty feature `blocks`, where there is that feature.
        first_rejected: SMILES of the first refused molecule, empty if there is none.
        first_too_long: The same of the first that is too long.
        first_unknown: The same of the first with an unknown token.
        first_contradicted: The same of the first whose building blocks do not fit.
        first_without_blocks: The same of the first with an empty feature `blocks`.
    """

    molecules: int = 0
    written: int = 0
    composed: int = 0
    contradicted: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    too_long: int = 0
    unknown_tokens: int = 0
    without_blocks: int = 0
    first_rejected: str = ""
    first_too_long: str = ""
    first_unknown: str = ""
    first_contradicted: str = ""
    first_without_blocks: str = ""

    def add(self, other: "UnitCounts") -> None:
        """Add the counts of another unit; of two examples the first stays."""
        for reason, count in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + count
        for name, value in vars(other).items():
            if isinstance(value, int):
                setattr(self, name, getattr(self, name) + value)
            elif isinstance(value, str):
                setattr(self, name, getattr(self, name) or value)


def rejected_rows(batch: pa.RecordBatch, rejected: dict[int, str], split: str) -> list[dict[str, Any]]:
    """Describe refused molecules as rows of rejected.parquet.

    Args:
        batch: Molecules.
        rejected: Row of the batch -> reason.
        split: Split of the molecules; becomes `source`.

    Returns:
        One row per raw id of a test molecule, so that the submission accounts for it; one without id for any other.
    """
    rows: list[dict[str, Any]] = []
    for row, reason in rejected.items():
        ids = [str(value) for value in batch.column(IDS)[row].as_py() or () if value is not None]
        description = {
            "source": split,
            "row": batch.column(MOLECULE_ID)[row].as_py(),
            "molecule_smiles": batch.column(SMILES)[row].as_py(),
            "reason": reason,
        }
        rows += [description | {"id": raw_id} for raw_id in (ids if split == Subset.TEST.split and ids else [None])]
    return rows


def write_unit_report(path: Path, counts: UnitCounts, rejected: Sequence[dict[str, Any]]) -> None:
    """Write the report of one unit.

    Args:
        path: The file.
        counts: Kept in the file's metadata.
        rejected: Rows of REJECTED_SCHEMA.
    """
    schema = REJECTED_SCHEMA.with_metadata({_COUNTS_KEY: json.dumps(asdict(counts)).encode()})
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist(list(rejected), schema), temporary)


def merge_unit_reports(paths: Iterable[Path], rejected_dir: Path) -> list[UnitCounts]:
    """Write rejected.parquet out of the reports of all units, and return the counts of each unit.

    Args:
        paths: The reports, in the order of the units.
        rejected_dir: Folder of the Rejections artifact.
    """
    counts: list[UnitCounts] = []
    with atomic_path(rejected_dir / REJECTED_FILE) as temporary, pq.ParquetWriter(temporary, REJECTED_SCHEMA) as writer:
        for path in paths:
            table = pq.read_table(path)
            counts.append(UnitCounts(**json.loads(table.schema.metadata[_COUNTS_KEY])))
            if table.num_rows:
                writer.write_table(table.replace_schema_metadata())
    return counts
