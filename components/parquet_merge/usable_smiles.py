"""The rule about a SMILES (belka.chemistry.smiles) on whole columns, for SQL and for Arrow.

Nearly every text is used as it is, which one regular expression tells; the others go through the rule one by one.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.chemistry.smiles import MAX_CHARACTERS, PLAIN_TEXT, read_text
from belka.queries import sql_string

_FIRST, _LAST = 0x21, 0x7E  # the printable characters of ASCII
# SQL of whether a text, `smiles_text`, held more than its `smiles`; only what differs from it is read again.
IS_CUT_SQL: Final = "CASE WHEN smiles = smiles_text THEN false ELSE read_smiles(smiles_text).name <> '' END"
_SHORTEST: Final = int(PLAIN_TEXT.split("{")[1].split(",")[0])


def define_smiles_functions(engine: Any) -> None:
    """Give DuckDB the rule as `read_smiles(text)`: its smiles, name and reason, each '' where there is none."""
    engine.create_function(
        "read_smiles",
        lambda text: read_text(text)._asdict(),
        ["VARCHAR"],
        "STRUCT(smiles VARCHAR, name VARCHAR, reason VARCHAR)",
        null_handling="special",
    )


def is_plain_sql(column: str) -> str:
    """SQL of whether a text is used as it is; never null."""
    return f"coalesce(regexp_full_match({column}, {sql_string(PLAIN_TEXT)}), false)"


def usable_smiles_sql(column: str) -> str:
    """SQL of the SMILES in a text, VARCHAR; null where there is none."""
    return f"(CASE WHEN {is_plain_sql(column)} THEN {column} ELSE nullif(read_smiles({column}).smiles, '') END)"


def usable_smiles(smiles: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Apply the rule to a column.

    Args:
        smiles: string or large_string [n], as given.

    Returns:
        The SMILES, string [n], null where there is none; which are usable and of which a name was cut off, bool [n].

    Raises:
        pyarrow.ArrowInvalid: If a text is not UTF-8.
    """
    n = len(smiles)
    nothing = np.zeros(n, dtype=np.bool_)
    if _all_plain(smiles):
        return smiles.cast(pa.string()), ~nothing, nothing
    smiles.validate(full=True)
    smiles = smiles.cast(pa.string())
    plain = pc.fill_null(pc.match_substring_regex(smiles, f"^{PLAIN_TEXT}$"), fill_value=False)
    is_usable, is_cut, rows = plain.to_numpy(zero_copy_only=False).copy(), nothing, np.flatnonzero(pc.invert(plain))
    found = [read_text(text) for text in smiles.take(pa.array(rows)).to_pylist()]
    is_usable[rows] = [not text.reason for text in found]
    is_cut[rows] = [bool(text.name) for text in found]
    replaced = pa.array([text.smiles or None for text in found], pa.string())
    return pc.replace_with_mask(smiles, pc.invert(plain), replaced), is_usable, is_cut


def _all_plain(smiles: pa.Array) -> bool:
    """Whether all texts are used as they are, by their lengths and the range of their bytes; it may err towards no."""
    if smiles.null_count or not len(smiles):
        return False
    offset_type = np.int64 if pa.types.is_large_string(smiles.type) else np.int32
    _, offsets, data = smiles.buffers()
    bounds = np.frombuffer(offsets, offset_type)[smiles.offset : smiles.offset + len(smiles) + 1]
    lengths = np.diff(bounds)
    if lengths.min() < _SHORTEST or lengths.max() > MAX_CHARACTERS:
        return False
    characters = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]
    return bool(characters.min() >= _FIRST and characters.max() <= _LAST)
