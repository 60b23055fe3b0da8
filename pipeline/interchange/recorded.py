"""The provenance that is told, and the columns of the tables that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from belka.contract import RAW_ID, RAW_LABEL, SERVING_FOLDER, Node
from belka.models.folder import find_saved_model
from belka.provenance import Provenance, Record, recorded
from components.parquet_merge.shards import molecules_schema

MOLECULES: Final = "molecules"  # the output of ParquetMerge
_SUBMISSION: Final = pa.schema([(RAW_ID, pa.int64()), (RAW_LABEL, pa.float64())])


def recorded_model(model: Path) -> Provenance:
    """Read the provenance of a model.

    Args:
        model: A folder that `belka predict` takes.

    Raises:
        InputError: There is no model, or none that says where it comes from.
    """
    path = find_saved_model(model)
    return recorded(path.parent if path.name == SERVING_FOLDER else path)


def columns_of(record: Record) -> pa.Schema | None:
    """The columns of the table in an output folder, as its step writes them; None where it is no table, or several.

    Args:
        record: Of an output folder.
    """
    if (record.step, record.output) == (Node.PARQUET_MERGE, MOLECULES):
        return molecules_schema(len(targets_of(record.settings)))
    return _SUBMISSION if record.step == Node.SUBMISSION_WRITER else None


def targets_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the targets in the settings of ParquetMerge."""
    return tuple(settings["settings"]["data"]["targets"])
