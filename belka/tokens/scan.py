"""The distinct tokens of a column of SMILES, found on its bytes without a Python call per molecule."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from belka.tokens.grammar import (
    BRACKET_CLOSE,
    BRACKET_OPEN,
    RING_DIGITS,
    RING_MARK,
    SINGLE_CHARACTERS,
    TWO_LETTER_TOKENS,
)

_CONSUMED = 0xFF  # no byte of UTF-8: written over bytes that a longer token has used
_OPEN, _CLOSE, _PERCENT, _DIGIT_0, _DIGIT_9 = f"{BRACKET_OPEN}{BRACKET_CLOSE}{RING_MARK}09".encode()
_SINGLE = np.frombuffer(SINGLE_CHARACTERS.encode(), np.uint8)

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]


@dataclass
class TokenScan:
    """What a scan found.

    Attributes:
        tokens: The distinct tokens.
        n_skipped: Number of characters that are part of no token.
        example: A SMILES with such a character; empty if there is none.
    """

    tokens: set[str] = field(default_factory=set)
    n_skipped: int = 0
    example: str = ""

    def update(self, other: "TokenScan") -> None:
        """Add what another scan found; of two examples the first stays."""
        self.tokens |= other.tokens
        self.n_skipped += other.n_skipped
        self.example = self.example or other.example


def scan_tokens(smiles: pa.Array) -> TokenScan:
    """Find the distinct tokens of a column.

    Args:
        smiles: String or large_string [n_molecules], UTF-8; null counts as empty.

    Returns:
        The tokens, the number of skipped characters and an example of a SMILES that has one.
    """
    column = pc.fill_null(smiles.cast(pa.large_string()), "")
    _, offset_buffer, data = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[column.offset : column.offset + len(column) + 1]
    if data is None or offsets[0] == offsets[-1]:
        return TokenScan()
    text = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]].copy()
    offsets = offsets - offsets[0]
    # Longer, so that looking ahead from the last byte stays inside.
    row_starts = np.zeros(text.size + RING_DIGITS, dtype=bool)
    row_starts[offsets] = True
    row_starts[text.size :] = True

    tokens = _take_brackets(text, offsets) | _take_two_letters(text, row_starts) | _take_ring_numbers(text, row_starts)
    skipped = np.bincount(text, minlength=256)
    tokens |= {chr(character) for character in _SINGLE if skipped[character]}
    skipped[_SINGLE] = 0
    skipped[0x80:0xC0] = 0  # bytes that continue a character of UTF-8
    skipped[_CONSUMED] = 0
    scan = TokenScan(tokens, int(skipped.sum()))
    if scan.n_skipped:
        position = int(np.flatnonzero(skipped[text])[0])
        scan.example = column[int(np.searchsorted(offsets, position, side="right")) - 1].as_py()
    return scan


def _take_brackets(text: Bytes, offsets: Positions) -> set[str]:
    """Return the distinct bracket tokens and overwrite them in `text`."""
    opens = np.flatnonzero(text == _OPEN)
    closes = np.append(np.flatnonzero(text == _CLOSE), text.size)
    closing = closes[np.searchsorted(closes, opens)]
    row_ends = offsets[np.searchsorted(offsets, opens, side="right")]
    in_row = closing < row_ends
    opens, closing = opens[in_row], closing[in_row]
    # Of several "[" before one "]" the first starts the token; "[]" holds nothing and is skipped.
    starts_token = np.diff(closing, prepend=-1) != 0
    starts_token &= closing - opens > 1
    opens, lengths = opens[starts_token], (closing - opens + 1)[starts_token]
    tokens: set[str] = set()
    for length in np.unique(lengths):
        bytes_of_token = opens[lengths == length, np.newaxis] + np.arange(length)
        tokens |= _distinct_strings(text[bytes_of_token])
        text[bytes_of_token] = _CONSUMED
    return tokens


def _distinct_strings(rows: Bytes) -> set[str]:
    """Decode the distinct rows of [n, length] bytes."""
    binary = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(rows.shape[1]), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows))]
    )
    return {value.decode() for value in pc.unique(binary).to_pylist()}


def _take_two_letters(text: Bytes, row_starts: npt.NDArray[np.bool_]) -> set[str]:
    """Return which of Br and Cl occur and overwrite them in `text`."""
    tokens = set()
    for token in TWO_LETTER_TOKENS:
        first, second = token.encode()
        # The second letter is a token of neither alphabet, so it is the rarer one to look for.
        seconds = np.flatnonzero(text == second)
        seconds = seconds[(seconds > 0) & ~row_starts[seconds]]
        seconds = seconds[text[seconds - 1] == first]
        if seconds.size:
            tokens.add(token)
            text[seconds] = _CONSUMED
            text[seconds - 1] = _CONSUMED
    return tokens


def _take_ring_numbers(text: Bytes, row_starts: npt.NDArray[np.bool_]) -> set[str]:
    """Return the distinct `%` and two digits and overwrite them in `text`."""
    percents = np.flatnonzero(text == _PERCENT)
    places = np.arange(1, RING_DIGITS + 1)
    percents = percents[~row_starts[percents[:, np.newaxis] + places].any(axis=1)]
    digits = text[percents[:, np.newaxis] + places]
    percents = percents[((digits >= _DIGIT_0) & (digits <= _DIGIT_9)).all(axis=1)]
    if not percents.size:
        return set()
    bytes_of_token = percents[:, np.newaxis] + np.arange(RING_DIGITS + 1)
    tokens = _distinct_strings(text[bytes_of_token])
    text[bytes_of_token] = _CONSUMED
    return tokens
