"""Tables of molecules of the demo's blocks, raw and merged."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import BINDS, BLOCK_IDS, BLOCKS_FILE, RAW_BLOCKS, RAW_SMILES, SUMMARY_FILE
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product

FIRST, AMINES = amino_acid_blocks(), amine_blocks()


def raw_rows(products: int) -> list[dict[str, str]]:
    """Rows of a raw table of the demo's blocks, each row with other blocks."""
    rows = []
    for i in range(products):
        blocks = FIRST[i % len(FIRST)], AMINES[i % 20], AMINES[10 + (7 * i) % 25]
        listed = dict(zip(RAW_BLOCKS, (block.catalogue_smiles for block in blocks), strict=True))
        rows.append({**listed, RAW_SMILES: enumerate_product(*blocks), "protein_name": "sEH", "binds": "0"})
    return rows


def write_molecules(folder: Path, rows: Sequence[dict[str, str]], labels: Sequence[int] = ()) -> Path:
    """The same rows as a molecules table with one target."""
    catalogue = sorted({row[name] for row in rows for name in RAW_BLOCKS})
    columns = {
        "molecule_id": pa.array(range(len(rows)), pa.int64()),
        "smiles": [row[RAW_SMILES] for row in rows],
        "smiles_no_linker": [row[RAW_SMILES].replace("[Dy]", "[H]") for row in rows],
        BINDS: pa.array([[label] for label in labels or [2] * len(rows)], pa.list_(pa.int8(), 1)),
        **{
            name: pa.array([catalogue.index(row[raw]) for row in rows], pa.int32())
            for name, raw in zip(BLOCK_IDS, RAW_BLOCKS, strict=True)
        },
    }
    (folder / "Split-train").mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "Split-train" / "molecules-00000.parquet")
    blocks = {"block_id": pa.array(range(len(catalogue)), pa.int32()), "smiles": catalogue}
    pq.write_table(pa.table(blocks), folder / BLOCKS_FILE)
    (folder / SUMMARY_FILE).write_text(json.dumps({"settings": {"targets": ["sEH"]}}))
    return folder
