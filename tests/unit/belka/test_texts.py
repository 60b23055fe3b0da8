"""Text of unknown origin does nothing where it is shown."""

import pyarrow as pa

from belka.texts import for_markdown, for_spreadsheet, for_terminal, from_bytes, names_for_spreadsheet

ESCAPES = "\x1b]0;owned\x07\x1b[2Jname\u202eexe.\x9b31m\r"


def test_a_terminal_gets_no_control_characters() -> None:
    assert for_terminal(ESCAPES) == "\\x1b]0;owned\\x07\\x1b[2Jname\\u202eexe.\\x9b31m\\r"
    assert for_terminal("one\n\ttwo, µ, 漢, [Dy]") == "one\n\ttwo, µ, 漢, [Dy]"


def test_a_page_gets_no_markup() -> None:
    assert for_markdown("<img src=x onerror=alert(1)>") == "&lt;img src=x onerror=alert(1)>"
    assert for_markdown("a|b\n# c `d` [e](javascript:f)") == "a\\|b # c \\`d\\` [e]\\(javascript:f)"
    assert for_markdown(3) == "3"
    assert for_markdown("C[C@H](N)=O, non_shared") == "C[C@H]\\(N)=O, non_shared"


def test_a_spreadsheet_gets_no_formulas() -> None:
    texts = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "-5", "+1.5e-3", "-.5", "CC=O", "", None, "7"]
    batch = pa.RecordBatch.from_pydict({"text": texts, "number": list(range(len(texts)))})
    cleaned = for_spreadsheet(batch)
    assert cleaned.schema == batch.schema
    assert cleaned.column("number") == batch.column("number")
    assert cleaned.column("text").to_pylist() == [
        "'=1+1",
        "'+cmd|' /C calc'!A0",
        "'-2+3",
        "'@SUM(A1)",
        "'\t=1",
        "-5",
        "+1.5e-3",
        "-.5",
        "CC=O",
        "",
        None,
        "7",
    ]


def test_signs_of_full_width_and_line_ends_begin_formulas_too() -> None:
    texts = ["\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)", "\n=1", "C\uff1dO"]
    cleaned = for_spreadsheet(pa.RecordBatch.from_pydict({"text": texts})).column("text").to_pylist()
    assert cleaned == [*(f"'{text}" for text in texts[:-1]), texts[-1]]


def test_names_of_columns_are_cells_as_well() -> None:
    schema = pa.schema([pa.field("smiles", pa.string()), pa.field("=1+1", pa.int8(), nullable=False)])
    cleaned = names_for_spreadsheet(schema)
    assert cleaned.names == ["smiles", "'=1+1"]
    assert cleaned.types == schema.types


def test_an_argument_is_read_as_utf_8_whatever_the_locale() -> None:
    as_in_locale_c = "CC\u00e9".encode().decode("ascii", "surrogateescape")
    assert from_bytes(as_in_locale_c) == "CC\u00e9"
    assert from_bytes("CC\udcff") == "CC\\xff"
    assert from_bytes("CC\u00e9") == "CC\u00e9"
