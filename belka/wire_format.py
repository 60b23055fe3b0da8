"""Serialized tf.Examples of many molecules at once, byte by byte as protobuf's own deterministic serialization.

An Example is `features { feature { key value }... }`, the features in the order of their names; a value is an Int64List
(packed varints), a FloatList (packed, little-endian) or a BytesList. Lengths are known before anything is written, so
each byte is written once, for all molecules together. Written by hand because digests of Examples rest on this fixed
order of bytes.

Source: protobuf.dev/programming-guides/encoding; tensorflow/core/example/example.proto and feature.proto.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

# A field's number and its wire type, which is 2 (length, then content) for all of them.
_EXAMPLE_FEATURES: Final = b"\x0a"
_FEATURES_ENTRY: Final = b"\x0a"
_ENTRY_KEY: Final = b"\x0a"
_ENTRY_VALUE: Final = b"\x12"
_FEATURE_BYTES_LIST: Final = b"\x0a"
_FEATURE_FLOAT_LIST: Final = b"\x12"
_FEATURE_INT64_LIST: Final = b"\x1a"
_LIST_VALUE: Final = b"\x0a"

_VARINT_BITS: Final = 7
_MAX_VARINT_BYTES: Final = 10
_MORE: Final = 128  # the bit that says that a varint goes on

Bytes = npt.NDArray[np.uint8]
Sizes = npt.NDArray[np.int64]


class Piece:
    """Bytes that stand at the same place of every record.

    Args:
        data: uint8 [n, width], or [1, width] where all n records have the same; or [total], the pieces one after the
            other.
        sizes: int64 [n], the bytes of each record's piece, if they differ.
    """

    def __init__(self, data: Bytes, sizes: Sizes | None = None) -> None:
        self.data = data
        self._sizes = sizes

    @property
    def sizes(self) -> Sizes:
        """Bytes of each record's piece: int64 [n], or [1] where all have the same."""
        return np.array([self.data.shape[1]]) if self._sizes is None else self._sizes

    @property
    def is_constant(self) -> bool:
        """Whether all records have the same bytes."""
        return self._sizes is None and len(self.data) == 1

    def write(self, out: Bytes, starts: Sizes) -> None:
        """Write each record's piece at its place in `out`, int64 [n]."""
        if self._sizes is None:
            if self.data.size:
                # Row i of the view starts at byte i: a record's piece is copied in one go, without an index per byte.
                sliding_window_view(out, self.data.shape[1], writeable=True)[starts] = self.data
        else:
            skipped = starts - (np.cumsum(self._sizes) - self._sizes)
            out[np.repeat(skipped, self._sizes) + np.arange(len(self.data))] = self.data


def int64_feature(values: npt.NDArray[np.int64], splits: npt.NDArray[np.int64]) -> list[Piece]:
    """Make a feature of integers.

    Args:
        values: int64 [total], the values of all records one after the other.
        splits: int64 [n + 1], where each record's values start; the last is `total`.

    Returns:
        The pieces of the Feature message.
    """
    data, sizes = _varints(values)
    ends = splits if len(data) == len(values) else np.concatenate([[0], np.cumsum(sizes)])[splits]
    return _message(_FEATURE_INT64_LIST, _message(_LIST_VALUE, [_ragged(data, np.diff(ends))]))


def float_feature(values: npt.NDArray[np.float32]) -> list[Piece]:
    """Make a feature of as many numbers in every record.

    Args:
        values: float32 [n, width].

    Returns:
        The pieces of the Feature message.
    """
    data = np.ascontiguousarray(values, "<f4").view(np.uint8)
    return _message(_FEATURE_FLOAT_LIST, _message(_LIST_VALUE, [Piece(data)]))


def bytes_feature(values: Bytes) -> list[Piece]:
    """Make a feature of one bytes value of the same length in every record.

    Args:
        values: uint8 [n, width].

    Returns:
        The pieces of the Feature message.
    """
    return _message(_FEATURE_BYTES_LIST, _message(_LIST_VALUE, [Piece(values)]))


def optional_bytes_feature(values: Bytes, is_present: npt.NDArray[np.bool_]) -> list[Piece]:
    """Make a feature of one bytes value, which is empty in some records.

    Args:
        values: uint8 [n, width].
        is_present: bool [n]; where it is false the value is empty.

    Returns:
        The pieces of the Feature message.
    """
    sizes = np.where(is_present, values.shape[1], 0).astype(np.int64)
    return _message(_FEATURE_BYTES_LIST, _message(_LIST_VALUE, [_ragged(values[is_present].ravel(), sizes)]))


def serialize_examples(features: Mapping[str, Sequence[Piece]], n_records: int) -> list[bytes]:
    """Serialize Examples.

    Args:
        features: Name -> Feature of all records.
        n_records: Number of records.

    Returns:
        One serialized Example per record, equal to `SerializeToString(deterministic=True)` of the same values. Only for
        an empty list that leaves two bytes out, a field of length 0, which reads the same.
    """
    if not n_records:
        return []
    pieces: list[Piece] = []
    for name, feature in sorted(features.items()):
        key = _message(_ENTRY_KEY, [_constant(name.encode())])
        pieces += _message(_FEATURES_ENTRY, [*key, *_message(_ENTRY_VALUE, feature)])
    pieces = _merged(_message(_EXAMPLE_FEATURES, pieces))
    ends = np.cumsum(np.broadcast_to(_total(pieces), n_records))
    starts = np.concatenate([[0], ends[:-1]])
    out = np.empty(int(ends[-1]), dtype=np.uint8)
    places = starts
    for piece in pieces:
        piece.write(out, places)
        places = places + piece.sizes
    records = out.tobytes()
    return [records[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _message(field: bytes, content: Sequence[Piece]) -> list[Piece]:
    """Put a field's tag and the length of its content before the content."""
    return [_constant(field), _ragged(*_varints(_total(content))), *content]


def _total(pieces: Sequence[Piece]) -> Sizes:
    """Add up the sizes of pieces: int64 [n], or [1] where all records have the same."""
    total = np.zeros(1, dtype=np.int64)
    for piece in pieces:
        total = total + piece.sizes
    return total


def _constant(text: bytes) -> Piece:
    return Piece(np.frombuffer(text, np.uint8)[np.newaxis])


def _ragged(data: Bytes, sizes: Sizes) -> Piece:
    """Make a piece; one of equal sizes is written faster."""
    if len(sizes) and (sizes == sizes[0]).all():
        return Piece(data.reshape(len(sizes), sizes[0]))
    return Piece(data, sizes)


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Join neighbours that are the same in all records."""
    merged: list[Piece] = []
    for piece in pieces:
        if merged and piece.is_constant and merged[-1].is_constant:
            merged[-1] = Piece(np.hstack([merged[-1].data, piece.data]))
        else:
            merged.append(piece)
    return merged


def _varints(values: npt.NDArray[np.int64]) -> tuple[Bytes, Sizes]:
    """Encode integers as varints: their bytes one after the other, and the number of bytes of each, int64 [n].

    A negative one counts as its two's complement and takes 10 bytes.
    """
    numbers = values.astype(np.uint64)
    sizes = np.ones(len(numbers), dtype=np.int64)
    top = int(numbers.max(initial=0))
    for place in range(1, _MAX_VARINT_BYTES):
        if top >> _VARINT_BITS * place:
            sizes += numbers >= np.uint64(1 << _VARINT_BITS * place)
    n_bytes = int(sizes.max(initial=1))
    if n_bytes == 1:
        return numbers.astype(np.uint8), sizes
    starts = np.cumsum(sizes) - sizes
    data = np.empty(int(sizes.sum()), dtype=np.uint8)
    for place in range(n_bytes):
        has = sizes > place
        digits = (numbers[has] >> np.uint64(_VARINT_BITS * place)).astype(np.uint8) & np.uint8(_MORE - 1)
        data[starts[has] + place] = digits | np.where(sizes[has] > place + 1, _MORE, 0).astype(np.uint8)
    return data, sizes
