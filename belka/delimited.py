"""Tables as text (CSV and its relatives), one line at a time: no row is lost, and each that is no row says why.

A row is one line, or several where a quoted cell goes on and no two of the lines have as many cells as a row. So an
unclosed quote costs its own line and not those behind it, and every defect has a line number. Lines that are rows go
through Arrow's reader together, the others are looked at one by one.
"""

import codecs
import csv
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from belka.errors import InputError

LINE: Final = "line"
DEFECT: Final = "defect"
TOO_FEW: Final = "line has too few cells"
TOO_MANY: Final = "line has too many cells"
QUOTE: Final = "line has a stray quote, or one that is not closed on the line"
RETURN: Final = "line has a carriage return inside"
NOT_UTF8: Final = "line is not UTF-8"
HEADER_AGAIN: Final = "line repeats the header"

DELIMITERS: Final = ",;\t|"
BLOCK_BYTES: Final = 1 << 23
# No row of a library is as long; a file without line ends must not fill the memory.
MAX_LINE_BYTES: Final = 1 << 24
# More lines than this are no cell, but a quote that was forgotten.
MAX_CELL_LINES: Final = 64
_COMPRESSIONS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_OTHER_FORMATS: Final = {b"PAR1": "parquet", b"PK\x03\x04": "a zip archive or an Excel workbook", b"ARROW1": "Arrow"}
_UTF16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_END: Final = ord("\n")
_QUOTED: Final = r'"(?:[^"\r\n]|"")*"'


@dataclass(frozen=True)
class TextTable:
    """A table as text.

    Attributes:
        path: The file.
        header: Names of its columns.
        delimiter: What separates cells.
        header_line: Number of the line with the names, from 1.
    """

    path: Path
    header: tuple[str, ...]
    delimiter: str
    header_line: int


def open_text_table(path: Path, wanted: Collection[str] = ()) -> TextTable:
    """Read the header, and find what separates cells: comma, semicolon, tab or bar.

    Args:
        path: The file; plain, gzip or zstd whatever its name says; UTF-8, or UTF-16 with its mark.
        wanted: Names in lower case; what gives a column of one of them separates cells.

    Raises:
        InputError: The file is no text, is damaged, or has no line.
    """
    n_blank = 0
    for block in text_blocks(path):
        for line in block.removesuffix(b"\n").split(b"\n"):
            if line.strip():
                return _table(path, line.rstrip(b"\r"), n_blank + 1, wanted)
            n_blank += 1
    raise InputError(
        "The file holds no line.", received=str(path), expected="a line with the names of columns, then rows"
    )


def read_text_table(table: TextTable) -> Iterator[pa.RecordBatch]:
    """Read the lines behind the header, in order; empty ones are left out, where more than one column is expected.

    Args:
        table: From `open_text_table`.

    Yields:
        The columns of the header by position, `0` to `n - 1`, as texts (empty = null); `line` int64, the number of the
        (first) line from 1; `defect` string: why the line is no row, null where it is one. A defective line has no
        cells.

    Raises:
        InputError: The file is damaged, or a line is too long.
    """
    n_before, held = 0, b""
    for block in text_blocks(table.path):
        batch, n_lines, held = _read_block(held + block, table, n_before, is_last=False)
        n_before += n_lines
        yield batch
    if held:
        yield _read_block(held, table, n_before, is_last=True)[0]


def _read_block(block: bytes, table: TextTable, n_before: int, *, is_last: bool) -> tuple[pa.RecordBatch, int, bytes]:
    """The rows and defects of some lines, how many lines they are, and the rest, whose last cell may go on."""
    lines = _lines(block)
    starts = np.frombuffer(lines.buffers()[1], np.int32)
    is_data = np.arange(n_before + 1, n_before + len(lines) + 1) > table.header_line
    if len(table.header) > 1:
        blank = " \t\v\f\r\n".replace(table.delimiter, "")
        is_data &= ~_flags(pc.match_substring_regex(lines, rf"\A[{blank}]*\z"))
    is_row = is_data & _has_cells(lines, block, table) & _is_utf8(lines)
    is_row &= ~_flags(pc.is_in(lines, value_set=pa.array(_spellings(table), pa.binary())))
    joined, n_lines = _join(lines, is_data & ~is_row, is_row, table, is_last=is_last)
    lines, is_data, is_row = lines[:n_lines], is_data[:n_lines], is_row[:n_lines]
    columns = _cells(lines.filter(pa.array(is_row)), table)
    is_joined = np.zeros(n_lines, np.bool_)
    is_joined[list(joined)] = True
    for start, (_, end) in joined.items():
        is_data[start + 1 : end] = False
    is_defective = is_data & ~is_row & ~is_joined
    if is_defective.any() or joined:
        defects = [_defect(line, table) for line in lines.filter(pa.array(is_defective)).to_pylist()]
        # In the order of the lines: a row takes the next of the cells, a defective line none.
        place = np.where(is_joined, is_row.sum() + np.cumsum(is_joined), np.cumsum(is_row))[is_data] - 1
        taken = pa.array(place, mask=is_defective[is_data])
        more = zip(*(cells for cells, _ in joined.values()), strict=True) if joined else [()] * len(columns)
        columns = [
            pa.concat_arrays([column, pa.array([cell or None for cell in cells], pa.string())]).take(taken)
            for column, cells in zip(columns, more, strict=True)
        ]
        of_line = pa.array(np.cumsum(is_defective)[is_data] - 1, mask=~is_defective[is_data])
        defect = pa.array(defects, pa.string()).take(of_line)
    else:
        defect = pa.nulls(int(is_data.sum()), pa.string())
    numbers = n_before + 1 + np.flatnonzero(is_data)
    names = [*map(str, range(len(columns))), LINE, DEFECT]
    batch = pa.RecordBatch.from_arrays([*columns, pa.array(numbers), defect], names)
    return batch, n_lines, block[starts[n_lines] :]


def _join(
    lines: pa.Array,
    is_defective: npt.NDArray[np.bool_],
    is_row: npt.NDArray[np.bool_],
    table: TextTable,
    *,
    is_last: bool,
) -> tuple[dict[int, tuple[list[str], int]], int]:
    """Find rows with a quoted cell of several lines.

    Returns:
        The first line of each -> its cells and the line behind its last; and how many lines are settled: a cell that
        is open at the end of a block may go on in the next one.
    """
    joined: dict[int, tuple[list[str], int]] = {}
    behind, delimiter, n_delimiters = 0, table.delimiter.encode(), len(table.header) - 1
    for start in np.flatnonzero(is_defective).tolist():
        text = lines[start].as_py()
        if start < behind or text.count(b'"') % 2 == 0:
            continue
        n_alike = int(text.count(delimiter) == n_delimiters)
        for end in range(start + 1, start + MAX_CELL_LINES):
            if end == len(lines):
                if not is_last:
                    return joined, start
                break
            line = lines[end].as_py()
            n_alike += line.count(delimiter) == n_delimiters
            # Two lines with as many cells as a row are two rows with a stray quote each: neither swallows the other.
            if is_row[end] or n_alike > 1:
                break
            text += line
            if line.count(b'"') % 2:
                cells = _record(text, table)
                if cells:
                    behind = end + 1
                    joined[start] = cells, behind
                break
    return joined, len(lines)


def _record(text: bytes, table: TextTable) -> list[str]:
    """The cells of a row of several lines; none where it is none."""
    try:
        cells = _parse(text.decode().rstrip("\r\n"), table.delimiter)
    except (UnicodeDecodeError, csv.Error):
        return []
    return cells if len(cells) == len(table.header) else []


def _table(path: Path, line: bytes, number: int, wanted: Collection[str]) -> TextTable:
    text, cells = _decoded(line), {}
    for delimiter in DELIMITERS if text is not None else ():
        with suppress(csv.Error):
            cells[delimiter] = [name.strip() for name in _parse(text or "", delimiter)]
    if not cells:
        raise InputError(
            "The line with the names of columns cannot be read.",
            received=f"{path} line {number}: {line[:80]!r}",
            expected="names in UTF-8, separated by comma, semicolon, tab or bar",
            action="Export the table again as CSV.",
        )
    # The first of those that give most cells: the comma where there is none at all.
    delimiter = max(cells, key=lambda each: (not {*wanted}.isdisjoint(map(str.lower, cells[each])), len(cells[each])))
    return TextTable(path, tuple(cells[delimiter]), delimiter, number)


def text_blocks(path: Path) -> Iterator[bytes]:
    """The text of a file in UTF-8, without its mark, some whole lines at a time; the last line has its end too."""
    n_lines, rest = 0, b""
    try:
        for block in _utf8(path):
            data = rest + block
            # Without a single line feed, carriage returns end lines, as they did on old machines.
            end = data.rfind(b"\n") + 1
            if end:
                yield data[:end]
                n_lines += data.count(b"\n", 0, end)
            rest = data[end:]
            if len(rest) > MAX_LINE_BYTES:
                raise InputError(
                    "A line is too long for a row.",
                    received=f"{path} line {n_lines + 1}: more than {MAX_LINE_BYTES:,} bytes",
                    expected="one row a line",
                    action="Check that the file is text with line ends.",
                )
    except (OSError, UnicodeError) as error:
        raise InputError(
            "The file cannot be read to its end.",
            received=f"{path} after line {n_lines:,}: {error}",
            expected="a whole file of text, plain or compressed by gzip or zstd",
            action="Fetch the file again.",
        ) from error
    if rest:
        yield rest.replace(b"\r", b"\n") if n_lines == 0 and b"\r" in rest.rstrip(b"\r") else rest + b"\n"


def _utf8(path: Path) -> Iterator[bytes]:
    """The bytes of a file, decompressed and in UTF-8, without a mark at its start."""
    with path.open("rb") as stream:
        start = stream.read(6)
    for magic, name in _OTHER_FORMATS.items():
        if start.startswith(magic):
            raise InputError(
                "The file is no text.",
                received=f"{path}: {name}",
                expected="CSV, or a name that tells the format",
                action="Rename the file, or export it as CSV.",
            )
    compression = next((name for magic, name in _COMPRESSIONS.items() if start.startswith(magic)), None)
    with pa.input_stream(str(path), compression=compression) as stream:
        block = stream.read(BLOCK_BYTES)
        encoding = next((name for mark, name in _UTF16.items() if block.startswith(mark)), None)
        if encoding is None:
            yield block.removeprefix(codecs.BOM_UTF8)
            while block := stream.read(BLOCK_BYTES):
                yield block
            return
        decoder = codecs.getincrementaldecoder(encoding)()
        yield decoder.decode(block).removeprefix("\ufeff").encode()
        while block := stream.read(BLOCK_BYTES):
            yield decoder.decode(block).encode()
        decoder.decode(b"", final=True)


def _lines(block: bytes) -> pa.Array:
    """The lines of a block with their ends, binary [n]."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _END) + 1
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(block)]
    return pa.Array.from_buffers(pa.binary(), len(ends), buffers)


def _has_cells(lines: pa.Array, block: bytes, table: TextTable) -> npt.NDArray[np.bool_]:
    """Which lines have as many cells as the header; cells in quotes may hold delimiters, and doubled quotes."""
    bare, is_formed = lines, np.ones(len(lines), dtype=np.bool_)
    if b'"' in block:
        cell = rf'(?:{_QUOTED}|[^"{table.delimiter}\r\n]*)'
        is_formed = _flags(pc.match_substring_regex(lines, rf"\A{cell}(?:[{table.delimiter}]{cell})*\r*\n\z"))
        bare = pc.replace_substring_regex(lines, _QUOTED, "")
    if b"\r" in block:
        is_formed &= ~_flags(pc.match_substring_regex(lines, r"\r+[^\r\n]"))
    n_delimiters: npt.NDArray[np.int32] = pc.count_substring(bare, table.delimiter).to_numpy()
    is_formed &= n_delimiters == len(table.header) - 1
    return is_formed


def _spellings(table: TextTable) -> list[bytes]:
    """The header as a line in the middle of the file may repeat it."""
    quoted = (f'"{name}"' for name in table.header)
    texts = [table.delimiter.join(names) for names in (table.header, quoted)]
    return [(text + end).encode() for text in texts for end in ("\n", "\r\n")]


def _is_utf8(lines: pa.Array) -> npt.NDArray[np.bool_]:
    try:
        lines.cast(pa.string())
    except pa.ArrowInvalid:
        return np.array([_decoded(line) is not None for line in lines.to_pylist()], dtype=np.bool_)
    return np.ones(len(lines), dtype=np.bool_)


def _cells(rows: pa.Array, table: TextTable) -> list[pa.Array]:
    """The cells of lines that are rows, column by column."""
    names = [str(i) for i in range(len(table.header))]
    if len(rows) == 0:
        return [pa.array([], pa.string()) for _ in names]
    # One buffer: what a filter leaves lies together.
    first, last = np.frombuffer(rows.buffers()[1], np.int32)[[rows.offset, rows.offset + len(rows)]]
    cells = pa_csv.read_csv(
        pa.BufferReader(rows.buffers()[2].slice(first, last - first)),
        pa_csv.ReadOptions(column_names=names, block_size=2 * MAX_LINE_BYTES + BLOCK_BYTES),
        pa_csv.ParseOptions(delimiter=table.delimiter, ignore_empty_lines=False),
        pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""], check_utf8=False
        ),
    )
    if len(cells) != len(rows):
        raise InputError(
            "Some lines are no rows for Arrow's reader.",
            received=f"{len(rows):,} lines that gave {len(cells):,} rows in {table.path}",
            expected="one row a line",
            action="This is an error of the program; please report it with the file.",
        )
    return [column.combine_chunks() for column in cells.columns]


def _defect(line: bytes, table: TextTable) -> str:
    """Why a line is no row."""
    text = _decoded(line)
    if text is None:
        return NOT_UTF8
    text = text.rstrip("\r\n")
    if "\r" in text:
        return RETURN
    try:
        cells = _parse(text, table.delimiter)
    except csv.Error:
        return QUOTE
    if len(cells) != len(table.header):
        return TOO_FEW if len(cells) < len(table.header) else TOO_MANY
    return HEADER_AGAIN if [cell.strip() for cell in cells] == list(table.header) else QUOTE


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _parse(text: str, delimiter: str) -> list[str]:
    """The cells of one line; csv.Error where its quotes are wrong."""
    csv.field_size_limit(MAX_LINE_BYTES)
    return next(csv.reader([text], delimiter=delimiter, strict=True), [])


def _flags(column: pa.Array) -> npt.NDArray[np.bool_]:
    flags: npt.NDArray[np.bool_] = column.to_numpy(zero_copy_only=False)
    return flags
