"""Tables: CSV and its relatives, and parquet."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from belka.delimited import DEFECT, LINE, open_text_table, read_text_table
from belka.errors import InputError
from belka.predict.rows import Format, Rows

CHUNK_ROWS: Final = 8_192
# Looked for in this order, capitals or not, when no column is named.
SMILES_COLUMNS: Final = ("molecule_smiles", "smiles", "new_structure")


def _open_text(files: Sequence[Path], column: str | None) -> tuple[pa.Schema, str | None]:
    wanted = SMILES_COLUMNS if column is None else (column.lower(),)
    schemas = [
        pa.schema([pa.field(name, pa.string()) for name in open_text_table(path, wanted).header]) for path in files
    ]
    return _common_schema(files, schemas), None


def _read_text(path: Path, schema: pa.Schema) -> Iterator[Rows]:
    table = open_text_table(path, [name.lower() for name in schema.names])
    places = [table.header.index(name) for name in schema.names]
    for batch in read_text_table(table):
        columns = [batch.column(place) for place in places]
        problems = batch.column(DEFECT).to_pylist()
        if batch.column(DEFECT).null_count < batch.num_rows:
            lines = batch.column(LINE).to_pylist()
            problems = [
                defect and f"line {line}: {defect.removeprefix('line ')}"
                for line, defect in zip(lines, problems, strict=True)
            ]
        yield Rows(pa.RecordBatch.from_arrays(columns, schema=schema), problems)


def _open_parquet(files: Sequence[Path], _column: str | None) -> tuple[pa.Schema, str | None]:
    return _common_schema(files, [pq.read_schema(path).remove_metadata() for path in files]), None


def _read_parquet(path: Path, schema: pa.Schema) -> Iterator[Rows]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=CHUNK_ROWS):
            columns = [batch.column(field.name).cast(field.type) for field in schema]
            yield Rows(pa.RecordBatch.from_arrays(columns, schema=schema), [None] * batch.num_rows)


def _common_schema(files: Sequence[Path], schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns of all files, in the order of the first one."""
    for path, schema in zip(files, schemas, strict=True):
        repeated = len(set(schema.names)) < len(schema.names)
        if repeated or set(schema.names) != set(schemas[0].names):
            raise InputError(
                "Two columns have one name." if repeated else "Two files have different columns.",
                received=f"{path}: {', '.join(schema.names)}",
                expected="distinct names" if repeated else f"as in {files[0].name}: {', '.join(schemas[0].names)}",
                action="Rename the columns." if repeated else "Give the files one by one.",
            )
    return pa.unify_schemas(schemas, promote_options="permissive")


TEXT_TABLE: Final = Format("CSV or TSV", _open_text, _read_text)
PARQUET: Final = Format("parquet", _open_parquet, _read_parquet)
