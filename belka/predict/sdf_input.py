"""SDF files: title, structure and properties of each record.

A record ends with a line `$$$$`, whatever is in it, so a broken one costs itself alone and keeps its title and
properties.

Source: Dalby et al.: Description of several chemical structure file formats, J. Chem. Inf. Comput. Sci. 32, 244 (1992).
"""

import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
from rdkit import Chem
from rdkit.rdBase import BlockLogs

from belka.chemistry.spelling import spell
from belka.contract import SMILES
from belka.delimited import text_blocks
from belka.errors import InputError
from belka.predict.rows import Format, Rows

_ROWS: Final = 4_096
_MAX_RECORD_BYTES: Final = 1 << 24  # a file without separators must not fill the memory
_SEPARATOR: Final = b"$$$$"
_NAME: Final = re.compile(r"<(.*)>")


def _open(files: Sequence[Path], _column: str | None) -> tuple[pa.Schema, str | None]:
    """The columns: title, structure, then each property in the order in which records first have it."""
    names = dict.fromkeys(name for path in files for _, record in _records(path) for name in _properties(record))
    own = []
    for name in ("name", SMILES):
        # A property of that name keeps it.
        while name in names:
            name = f"sdf_{name}"  # noqa: PLW2901 - until it is free
        own.append(name)
    return pa.schema([pa.field(name, pa.string()) for name in (*own, *names)]), own[1]


def _read(path: Path, schema: pa.Schema) -> Iterator[Rows]:
    records = _records(path)
    while chunk := list(islice(records, _ROWS)):
        structures = [_smiles(record) for _, record in chunk]
        properties = [_properties(record) for _, record in chunk]
        columns = [
            [_text(record[0]).strip() if record else "" for _, record in chunk],
            structures,
            *([found.get(name) for found in properties] for name in schema.names[2:]),
        ]
        problems = [
            f"line {line}: RDKit reads no molecule in the record" if smiles is None else None
            for (line, _), smiles in zip(chunk, structures, strict=True)
        ]
        arrays = [pa.array(column, pa.string()) for column in columns]
        yield Rows(pa.RecordBatch.from_arrays(arrays, schema=schema), problems)


def _records(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The number of the first line of each record, from 1, and its lines without the separator."""
    number, first, size = 0, 1, 0
    lines: list[bytes] = []
    for block in text_blocks(path):
        for line in block.removesuffix(b"\n").split(b"\n"):
            number += 1
            if line.startswith(_SEPARATOR):
                yield first, lines
                first, size, lines = number + 1, 0, []
                continue
            lines.append(line.rstrip(b"\r"))
            size += len(line) + 1
            if size > _MAX_RECORD_BYTES:
                raise InputError(
                    "A record is too long for a molecule.",
                    received=f"{path} line {first}: more than {_MAX_RECORD_BYTES:,} bytes",
                    expected="records that end with a line $$$$",
                    action="Check that the file is an SDF.",
                )
    if any(map(bytes.strip, lines)):
        yield first, lines


def _smiles(record: Sequence[bytes]) -> str | None:
    stream = io.BytesIO(b"\n".join((*record, _SEPARATOR, b"")))
    with BlockLogs():
        molecule = next(Chem.ForwardSDMolSupplier(stream), None)
    return spell(molecule) if molecule is not None and molecule.GetNumAtoms() else None


def _properties(record: Sequence[bytes]) -> dict[str, str]:
    """The data items `> <NAME>`, each until an empty line, as text. RDKit gives none of a broken record."""
    found: dict[str, list[str]] = {}
    values: list[str] | None = None
    for line in record:
        if values is None and line.startswith(b">"):
            header = _text(line)
            name = _NAME.search(header)
            values = found.setdefault(name.group(1) if name else header.lstrip("> "), [])
        elif not line.strip():
            values = None
        elif values is not None:
            values.append(_text(line))
    return {name: "\n".join(lines) for name, lines in found.items()}


def _text(line: bytes) -> str:
    # The format has no encoding; bytes that are no UTF-8 stay visible.
    return line.decode("utf-8", "backslashreplace")


SDF: Final = Format("SDF", _open, _read)
