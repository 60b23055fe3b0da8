"""Whatever a text file holds: rows written by the generator = rows scored + rows refused, each where it stands."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from belka import delimited
from belka.predict.check import CheckSettings, SmilesChecker
from belka.predict.input_table import open_input, read_rows, smiles_of

fuzz = settings(max_examples=50, suppress_health_check=list(HealthCheck))
GOOD: Final = ("C", "CCO", "CC(=O)N[Dy]", "C[C@H](N)C(=O)O")
BAD: Final = ("C1", "nan", "C\u2212C", "xyz", "1" * 1200)
CHECKER: Final = SmilesChecker(CheckSettings(frozenset(), 128))
NOT_UTF8: Final = "\udcff"  # surrogateescape
PLAIN: Final = st.text(st.sampled_from("ab 1é'\x00\x0b\x85\u2028>$"), max_size=5)
SIZES: Final = st.sampled_from([50, 300, 1 << 20])
PACKS: Final[dict[str, Callable[[bytes], bytes]]] = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}


class Row(NamedTuple):
    """What the generator wrote.

    Attributes:
        text: With line ends.
        cells: What must be read of it, without empty cells.
        scored: Whether it has a SMILES that is one.
        refused: Whether it must be refused for its text, by the number of its line.
    """

    text: str
    cells: dict[str, str]
    scored: bool
    refused: bool = False


def check(path: Path, rows: list[Row], first_line: int, block_bytes: int) -> None:
    """Compare what is read with what was written, and count."""
    read: list[Any] = []
    with patch.object(delimited, "BLOCK_BYTES", block_bytes), open_input(path, None) as table:
        for batch, problems in read_rows(table):
            read += zip(batch.to_pylist(), problems, CHECKER.check_all(smiles_of(batch, table)), strict=True)
    line, scored = first_line, 0
    for row, (cells, problem, checked) in zip(rows, read, strict=True):
        assert {name: cell for name, cell in cells.items() if cell} == row.cells
        assert (problem or "").startswith(f"line {line}: ") == row.refused
        is_scored = problem is None and not checked.problem
        assert is_scored == row.scored
        scored += is_scored
        line += row.text.count("\n")
    refused = len(read) - scored
    assert scored + refused == len(rows)


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    """Write a file, compressed as its name says."""
    path = folder / name
    path.write_bytes(PACKS.get(path.suffix, bytes)(text.encode(encoding, "surrogateescape")))
    return path


@st.composite
def csv_files(draw: st.DrawFn) -> tuple[str, str, list[Row], int]:
    """Text, encoding, rows, and the line of the first one."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    names = draw(st.sampled_from([["smiles"], ["smiles", "n"], ["n", "smiles"], ["a", "b", "smiles"]]))
    delimiter = draw(st.sampled_from(",;\t|")) if len(names) > 1 else ","
    quoted = st.text(st.sampled_from(f'ab"{delimiter} '), max_size=5) | PLAIN

    def cell(text: str) -> str:
        is_quoted = any(letter in text for letter in f'"\n{delimiter}') or draw(st.booleans())
        return '"' + text.replace('"', '""') + '"' if is_quoted else text

    def row(texts: st.SearchStrategy[str]) -> dict[str, str]:
        return {name: draw(st.sampled_from(GOOD + BAD) if name == "smiles" else texts) for name in names}

    def good(cells: dict[str, str]) -> Row:
        text = delimiter.join(map(cell, cells.values())) + end
        return Row(text, {name: each for name, each in cells.items() if each}, cells["smiles"] in GOOD)

    def refused(cells: list[str]) -> Row:
        return Row(delimiter.join(cells) + end, {}, scored=False, refused=True)

    def damaged(text: str) -> Row:
        cells = row(PLAIN)
        cells[draw(st.sampled_from(names))] = text
        return refused(list(cells.values()))

    def lines() -> Row:
        cells = row(PLAIN)
        cells["n" if "n" in names else "a"] = f"a{draw(PLAIN)}{end}" + end.join(draw(st.lists(PLAIN, max_size=3)))
        return good(cells)

    kinds: dict[str, Callable[[], Row]] = {
        "good": lambda: good(row(quoted)),
        "too many": lambda: refused([*map(cell, row(quoted).values()), cell(draw(quoted))]),
        "unclosed": lambda: damaged(f'"{draw(PLAIN)}a'),
        "stray": lambda: damaged(f'a"{draw(PLAIN)}'),
        "behind": lambda: damaged(f'"a"a{draw(PLAIN)}'),
        "header": lambda: refused(draw(st.sampled_from([names, [f'"{name}"' for name in names]]))),
        "return": lambda: damaged("a\ra"),
    }
    if len(names) > 1:
        kinds["too few"] = lambda: refused(["a", *map(cell, row(quoted).values())][: len(names) - 1])
        kinds["lines"] = lines
    if encoding != "utf-16":
        kinds["bytes"] = lambda: damaged(f"a{NOT_UTF8}")
    rows = [kinds[kind]() for kind in draw(st.lists(st.sampled_from(["good", *kinds]), max_size=12))]
    if len(names) > 1 and rows and draw(st.booleans()):
        number = draw(st.integers(0, len(rows) - 1))
        rows[number] = rows[number]._replace(text=rows[number].text + " " + end)  # an empty line is no row
    head = draw(st.sampled_from(["", end])) + delimiter.join(map(cell, names)) + end
    text = head + "".join(each.text for each in rows)
    is_ended = draw(st.booleans()) or not rows or rows[-1].text == end
    return text if is_ended else text.removesuffix(end), encoding, rows, head.count("\n") + 1


@fuzz
@given(csv_files(), st.sampled_from(["t.csv", "t.tsv", "t.csv.gz", "t.csv.zst"]), SIZES)
def test_csv(tmp_path_factory: Any, file: tuple[str, str, list[Row], int], name: str, block_bytes: int) -> None:
    text, encoding, rows, first_line = file
    check(write(tmp_path_factory.getbasetemp(), name, text, encoding), rows, first_line, block_bytes)


@st.composite
def smiles_rows(draw: st.DrawFn) -> Row:
    """A line of a SMILES file."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    kind = draw(st.sampled_from(["row", "row", "row", "empty", "bytes", "return"]))
    smiles, name = draw(st.sampled_from(GOOD + BAD)), draw(PLAIN)
    if kind == "empty":
        return Row(draw(st.sampled_from(["", " ", "\t"])) + end, {}, scored=False)
    if kind != "row":
        return Row(f"{smiles} {NOT_UTF8 if kind == 'bytes' else 'a'}\r{smiles}{end}", {}, scored=False, refused=True)
    cells = {"smiles": smiles, "name": name.strip(" \t\n\v\f\r")}
    spaces = draw(st.sampled_from([" ", "\t", "  \t"]))
    text = f"{draw(st.sampled_from(['', ' ']))}{smiles}{spaces}{name}{end}"
    return Row(text, {key: cell for key, cell in cells.items() if cell}, smiles in GOOD)


@fuzz
@given(st.lists(smiles_rows(), max_size=12), st.sampled_from(["t.smi", "t.smiles.gz"]), SIZES)
def test_smiles_lines(tmp_path_factory: Any, rows: list[Row], name: str, block_bytes: int) -> None:
    path = write(tmp_path_factory.getbasetemp(), name, "".join(row.text for row in rows))
    check(path, rows, 1, block_bytes)


BLOCKS: Final = {text: Chem.MolToMolBlock(Chem.MolFromSmiles(text)).split("\n")[1:] for text in GOOD}
VALUES: Final = st.lists(PLAIN.map(lambda text: f"a{text}"), max_size=3)


@st.composite
def sdf_records(draw: st.DrawFn) -> Row:
    """A record with its separator."""
    kind = draw(st.sampled_from(["good", "good", "counts", "atom", "cut", "words", "nothing"]))
    if kind == "nothing":
        return Row("$$$$\n", {}, scored=False, refused=True)
    smiles, title = draw(st.sampled_from(GOOD)), f"a{draw(PLAIN)}"
    block = list(BLOCKS[smiles])
    if kind == "counts":
        block[2] = "what is this"
    elif kind == "atom":
        block[3] = block[3].replace(" C ", " ?? ")
    elif kind == "cut":
        block = block[: draw(st.integers(0, 3))]
    elif kind == "words":
        block = draw(VALUES)
    properties = draw(st.dictionaries(st.sampled_from(["id", "a <b>", "é"]), VALUES, max_size=3))
    data = [line for name, values in properties.items() for line in (f">  <{name}>", *values, "")]
    text = "\n".join([title, *block, *data, "$$$$", ""])
    cells = {"name": title.strip(), **{name: "\n".join(values) for name, values in properties.items()}}
    if kind == "good":
        cells["smiles"] = smiles
    return Row(text, {name: cell for name, cell in cells.items() if cell}, kind == "good", kind != "good")


@fuzz
@given(st.lists(sdf_records(), max_size=8), st.sampled_from(["t.sdf", "t.sdf.gz"]), SIZES, st.booleans(), st.booleans())
def test_sdf(
    tmp_path_factory: Any, rows: list[Row], name: str, block_bytes: int, is_ended: bool, has_returns: bool
) -> None:
    text = "".join(row.text for row in rows)
    if not is_ended and rows and rows[-1].text != "$$$$\n":
        text = text.removesuffix("$$$$\n")
    path = write(tmp_path_factory.getbasetemp(), name, text.replace("\n", "\r\n") if has_returns else text)
    check(path, rows, 1, block_bytes)
