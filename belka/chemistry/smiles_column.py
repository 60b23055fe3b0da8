"""The rule about a SMILES, `belka.chemistry.smiles`, on whole columns.

Nearly every text is used as it is, which its length and the range of its bytes tell; others are read one by one.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.chemistry.smiles import MAX_CHARACTERS, MIN_PLAIN_CHARACTERS, PLAIN_TEXT, read_text

_FIRST: Final = ord("!")
_LAST: Final = ord("~")


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
    if lengths.min() < MIN_PLAIN_CHARACTERS or lengths.max() > MAX_CHARACTERS:
        return False
    characters = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]]
    return bool(characters.min() >= _FIRST and characters.max() <= _LAST)
