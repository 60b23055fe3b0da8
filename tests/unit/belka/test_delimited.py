"""Every line of a text table is a row, or says why it is none: counted by the generator, not by the reader."""

import codecs
import csv
import gzip
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from belka import delimited
from belka.delimited import DEFECT, LINE, TextTable, open_text_table, read_text_table
from belka.errors import InputError

COLUMNS = ("id", "smi les", "x")


def read(content: bytes, name: str = "table.csv") -> tuple[TextTable, list[dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        table = open_text_table(path)
        return table, [row for batch in read_text_table(table) for row in batch.to_pylist()]


def cells(rows: list[dict[str, Any]]) -> list[tuple[str | None, ...]]:
    return [tuple(row[str(i)] for i in range(len(row) - 2)) for row in rows if row[DEFECT] is None]


def defects(rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(row[LINE], row[DEFECT]) for row in rows if row[DEFECT] is not None]


def test_each_defect_costs_its_line_and_no_other() -> None:
    lines = [
        b'1;C;"a;b"',
        b"",
        b'2;"C;x',
        b"3;C",
        b"4;C;d;e",
        b"id;smi les;x",
        b'"id";"smi les";"x"',
        b"5;\xff;d",
        b'6;a"b;c',
        b"7;a\rb;c",
        b'8;;"c ""q"""',
    ]
    table, rows = read(b"\xef\xbb\xbfid;smi les ;x\r\n" + b"\r\n".join(lines))
    assert (table.header, table.delimiter, table.header_line) == (COLUMNS, ";", 1)
    assert cells(rows) == [("1", "C", "a;b"), ("8", None, 'c "q"')]
    assert defects(rows) == [
        (4, delimited.QUOTE),
        (5, delimited.TOO_FEW),
        (6, delimited.TOO_MANY),
        (7, delimited.HEADER_AGAIN),
        (8, delimited.HEADER_AGAIN),
        (9, delimited.NOT_UTF8),
        (10, delimited.QUOTE),
        (11, delimited.RETURN),
    ]


@pytest.mark.parametrize("block_bytes", [16, 40, 1 << 20])
def test_a_quoted_cell_may_have_several_lines(block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", block_bytes)
    text = b'n,smiles\n"two\n\n ""lines"" more",C\nb,CC\nc,"C\r\nC\nC"\nd,"CC\n'
    _, rows = read(text)
    assert cells(rows) == [('two\n\n "lines" more', "C"), ("b", "CC"), ("c", "C\r\nC\nC")]
    assert [row[LINE] for row in rows] == [2, 5, 6, 9]
    assert defects(rows) == [(9, delimited.QUOTE)]


def test_rows_with_a_stray_quote_swallow_no_other() -> None:
    _, rows = read(b'n,smiles\na,"C\nb,CC"\n"c,C\nd,CC\ne",C\n"f\ng,C\nh",C\n')
    assert cells(rows) == [("d", "CC"), ("g", "C")]
    assert defects(rows) == [(line, delimited.QUOTE) for line in (2, 3, 4, 6, 7, 9)]
    _, rows = read(b'smiles\n"C\nCC"\n')
    assert defects(rows) == [(2, delimited.QUOTE), (3, delimited.QUOTE)]


def test_tabs_alone_are_a_row_of_empty_cells_and_an_empty_line_is_one_where_there_is_one_column() -> None:
    assert cells(read(b"n\tsmiles\n\t\n\n \na\tC\n")[1]) == [(None, None), ("a", "C")]
    assert cells(read(b"smiles\n\nC\n")[1]) == [(None,), ("C",)]


TEXT = "\nid\tsmiles\n1\tC\n2\té\n"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (TEXT.encode(), "table.tsv"),
        (TEXT.encode("utf-8-sig"), "table.csv"),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "table.csv"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "table.csv"),
        (gzip.compress(TEXT.encode()), "gzip named.csv"),
        (gzip.compress(TEXT[:10].encode()) + gzip.compress(TEXT[10:].encode()), "two members.csv.gz"),
        (bytes(pa.compress(TEXT.encode(), codec="zstd", asbytes=True)), "table.csv.zst"),
        (TEXT.replace("\n", "\r\n").encode(), "windows.csv"),
        (TEXT.replace("\n", "\r").encode(), "old.csv"),
        (TEXT.rstrip("\n").encode(), "no end.csv"),
        (TEXT.replace("\t", "|").encode(), "bars.csv"),
    ],
    # Names of their own: gzip writes the time into what it makes, and pytest would name the cases by their bytes.
    ids=["tab", "bom", "utf-16-le", "utf-16-be", "gzip", "two members", "zstd", "windows", "old mac", "no end", "bars"],
)
def test_encodings_compressions_and_line_ends(content: bytes, name: str) -> None:
    table, rows = read(content, name)
    assert table.header == ("id", "smiles")
    assert cells(rows) == [("1", "C"), ("2", "é")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \n", "holds no line"),
        (b"PAR1....", "parquet"),
        (b"PK\x03\x04....", "Excel workbook"),
        (b"\xff\xfa,b\n", r"names of columns cannot be read(.|\n)*line 1"),
        (gzip.compress(b"id,x\n" + bytes(range(256)) * 9)[:-9], "cannot be read to its end"),
        (codecs.BOM_UTF16_LE + "id,x\n1,2\n3".encode("utf-16-le")[:-1], r"to its end(.|\n)*after line 2"),
    ],
    ids=["blank", "parquet", "excel", "bad names", "gzip cut off", "utf-16 cut off"],
)
def test_files_that_are_no_tables_of_text(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(content)


def test_a_file_without_line_ends_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_LINE_BYTES", 100)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 10)
    with pytest.raises(InputError, match=r"too long for a row(.|\n)*line 2"):
        read(b"id,x\n" + b"C" * 200)


def test_columns_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 1000)
    names = [f"c{i}" for i in range(1500)]
    _, rows = read(f"{','.join(names)}\n{','.join(names[::-1])}\n{','.join(names[1:])}\n".encode())
    assert cells(rows) == [tuple(names[::-1])]
    assert defects(rows) == [(3, delimited.TOO_FEW)]


# A cell that csv.writer writes on one line, with everything that wants quotes.
CELL = st.text(st.sampled_from("C[]()=#é ,;\t|\"'𝄞0"), max_size=6)
FAULTS: dict[str, Callable[[tuple[str, ...], str], bytes]] = {
    "few": lambda row, d: d.join(row[:-1]).encode(),
    "many": lambda row, d: d.join([*row, "z"]).encode(),
    "quote": lambda row, d: f'"{d.join(row)}'.encode(),
    "stray": lambda _row, d: d.join(["C", 'C"C', "x"]).encode(),
    "header": lambda _row, d: d.join(COLUMNS).encode(),
    "bytes": lambda row, d: b"\xfe" + d.join(row).encode(),
    "return": lambda _row, d: d.join(["a\rb", "C", "x"]).encode(),
}
PLAIN = st.sampled_from(["C", "CC(=O)N", "é"])
LINES = st.lists(
    st.one_of(
        st.tuples(st.just("row"), st.tuples(CELL, CELL, CELL)),
        st.tuples(st.sampled_from([*FAULTS, "blank"]), st.tuples(PLAIN, PLAIN, PLAIN)),
    ),
    max_size=30,
)


def write_line(kind: str, row: tuple[str, ...], delimiter: str, quoting: Literal[0, 1]) -> bytes:
    if kind == "blank":
        return b""
    if kind != "row":
        return FAULTS[kind](row, delimiter)
    target = io.StringIO()
    csv.writer(target, delimiter=delimiter, quoting=quoting, lineterminator="").writerow(row)
    return target.getvalue().encode()


@settings(deadline=None, max_examples=60)
@given(
    lines=LINES,
    delimiter=st.sampled_from(delimited.DELIMITERS),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from([b"\n", b"\r\n"]),
    block_bytes=st.sampled_from([1, 7, 1 << 20]),
)
def test_rows_written_are_rows_read_and_rows_refused(
    lines: list[tuple[str, tuple[str, ...]]], delimiter: str, quoting: Literal[0, 1], end: bytes, block_bytes: int
) -> None:
    written = [delimiter.join(COLUMNS).encode(), *(write_line(*line, delimiter, quoting) for line in lines)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK_BYTES", block_bytes)
        _, rows = read(end.join(written) + end)
    # A line of delimiters is a row of empty cells; one of other white space is none.
    blank = b" \t".replace(delimiter.encode(), b"")
    wanted = [
        tuple(cell or None for cell in row)
        for (kind, row), line in zip(lines, written[1:], strict=True)
        if kind == "row" and line.strip(blank)
    ]
    assert cells(rows) == wanted
    assert [line for line, _ in defects(rows)] == [i for i, (kind, _) in enumerate(lines, start=2) if kind in FAULTS]
