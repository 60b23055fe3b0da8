"""Text of unknown origin, cleaned for where it goes: a terminal, a Markdown page, a table that spreadsheets open.

Pages in HTML are made by jinja2, which escapes by itself.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

# Control characters but line ends and tabs, and those that turn the direction of writing: they hide or fake what a
# terminal shows.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKDOWN: Final = (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("`", "\\`"), ("](", "]\\("))
# What spreadsheets compute, unless it is a number; those of East Asia take signs of full width, too.
_FORMULA: Final = r"^[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"
_NUMBER: Final = r"^[+\-]?(\d+\.?\d*|\.\d+)([eE][+\-]?\d+)?$"


def for_terminal(text: str) -> str:
    r"""Show control characters as what they are, `\x1b`, in place of having the terminal obey them."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def from_bytes(text: str) -> str:
    r"""A text of the command line as UTF-8, whatever the locale says; bytes that are none are shown, `\xff`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def for_markdown(value: object) -> str:
    """One line of Markdown that shows a value: no markup, no link, no end of a table's cell."""
    text = for_terminal(str(value)).replace("\n", " ")
    for found, shown in _MARKDOWN:
        text = text.replace(found, shown)
    return text


def did_you_mean(given: str, known: Sequence[str]) -> str:
    """What somebody may have meant, as a question and a blank after it; empty where nothing is like it.

    Args:
        given: What was typed.
        known: What can be typed.
    """
    from difflib import get_close_matches  # only where something was typed wrongly

    like = get_close_matches(given, known, n=2)
    return f"Did you mean {' or '.join(like)}? " if like else ""


def for_spreadsheet(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Put an apostrophe before texts that a spreadsheet would run as formulas; numbers stay.

    Args:
        batch: Rows that are written as CSV.

    Returns:
        Rows of the same schema.

    Source: OWASP, CSV Injection.
    """
    import pyarrow as pa  # too slow for the command line's start-up

    columns = [_plain(column) if _is_text(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def names_for_spreadsheet(schema: "pa.Schema") -> "pa.Schema":
    """The columns under names that a spreadsheet does not run: its first line is cells like all others."""
    import pyarrow as pa

    names = _plain(pa.array(schema.names, pa.string())).to_pylist()
    return pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])


def _is_text(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _plain(column: "pa.Array") -> "pa.Array":
    import pyarrow.compute as pc

    formula = pc.and_(pc.match_substring_regex(column, _FORMULA), pc.invert(pc.match_substring_regex(column, _NUMBER)))
    if not pc.any(formula).as_py():
        return column
    return pc.if_else(formula, pc.binary_join_element_wise("'", column, "").cast(column.type), column)
