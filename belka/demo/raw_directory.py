"""Write the files of a raw BELKA directory."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import rdkit

from belka import contract as dc
from belka.files import atomic_path


def write_rows(path: Path, rows: list[dict[str, Any]], *, with_label: bool) -> None:
    """Write train.parquet or test.parquet: the raw BELKA columns, in their order.

    Args:
        path: File to write.
        rows: One mapping of raw column to value a row.
        with_label: Whether the file has the label column (train) or not (test).
    """
    text: list[pa.Field[Any]] = [
        pa.field(column, pa.string()) for column in (*dc.RAW_BLOCKS, dc.RAW_SMILES, dc.RAW_PROTEIN)
    ]
    label: list[pa.Field[Any]] = [pa.field(dc.RAW_LABEL, pa.int64())] if with_label else []
    schema = pa.schema([pa.field(dc.RAW_ID, pa.int64()), *text, *label])
    table = pa.Table.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema=schema)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def write_truth(path: Path, rows: list[dict[str, Any]], novel: set[str]) -> None:
    """Write the labels that test.parquet withholds: id, binds, novel (a block that training does not hold).

    Args:
        path: File to write.
        rows: Usable test rows with their labels.
        novel: SMILES of the molecules with an unseen block.
    """
    table = pa.table(
        {
            dc.RAW_ID: pa.array([row[dc.RAW_ID] for row in rows], pa.int64()),
            dc.RAW_LABEL: pa.array([row[dc.RAW_LABEL] for row in rows], pa.int8()),
            "novel": pa.array([row[dc.RAW_SMILES] in novel for row in rows], pa.bool_()),
        }
    )
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)


def write_extra(path: Path, rows: list[tuple[str, int]]) -> None:
    """Write the extra file of the competition's participants.

    Args:
        path: File to write.
        rows: SMILES and sEH read count of each molecule.
    """
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow((dc.EXTRA_SMILES, dc.EXTRA_COUNT))
        writer.writerows(rows)


def write_meta(path: Path, meta: Mapping[str, Any]) -> None:
    """Write what the directory holds and how its labels came about, with the RDKit version that wrote the SMILES.

    Args:
        path: JSON file to write.
        meta: JSON-serialisable description.
    """
    text = json.dumps({**meta, "rdkit_version": rdkit.__version__}, indent=2)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
