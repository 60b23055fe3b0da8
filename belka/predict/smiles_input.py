"""SMILES files: one SMILES a line, then white space and a name; no header."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from belka.chemistry.smiles import split_name
from belka.contract import SMILES
from belka.delimited import NOT_UTF8, RETURN, text_blocks
from belka.predict.rows import Format, Rows

_SCHEMA: Final = pa.schema([pa.field(SMILES, pa.string()), pa.field("name", pa.string())])


def _open(_files: Sequence[Path], _column: str | None) -> tuple[pa.Schema, str | None]:
    return _SCHEMA, SMILES


def _read(path: Path, schema: pa.Schema) -> Iterator[Rows]:
    n_before = 0
    for block in text_blocks(path):
        lines = block.removesuffix(b"\n").split(b"\n")
        parsed = [_parse(line.rstrip(b"\r")) for line in lines]
        texts, names, defects = zip(*parsed, strict=True)
        problems = [
            f"line {number}: {defect}" if defect else None for number, defect in enumerate(defects, n_before + 1)
        ]
        n_before += len(lines)
        yield Rows(pa.RecordBatch.from_arrays([pa.array(texts), pa.array(names)], schema=schema), problems)


def _parse(line: bytes) -> tuple[str, str, str]:
    """SMILES, name, and why the line is no row. An empty line is a row without SMILES."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return "", "", NOT_UTF8.removeprefix("line ")
    if "\r" in text:
        return "", "", RETURN.removeprefix("line ")
    return *split_name(text), ""


SMILES_LINES: Final = Format("SMILES, one a line", _open, _read)
