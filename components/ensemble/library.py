"""The building blocks of the training molecules as tables, and how similar any block is to each of them."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

POSITIONS: Final = 3

Bits = NDArray[np.uint8]
Codes = NDArray[np.int32]
Floats = NDArray[np.float32]


class BlockLibrary(NamedTuple):
    """The different blocks of some molecules, in the order of their bytes.

    Attributes:
        first: uint8 [n_first, n_bytes], packed bits of the blocks that carry the linker.
        others: uint8 [n_others, n_bytes], those of the other two positions, in which a library is symmetric.
    """

    first: Bits
    others: Bits


def make_library(blocks: Bits) -> tuple[BlockLibrary, Codes]:
    """Number the blocks of molecules.

    Args:
        blocks: uint8 [n, 3 * n_bytes], the feature `blocks` of n molecules.

    Returns:
        The tables, and int32 [n, 3]: the row of each molecule's block in the table of its position.
    """
    parts = blocks.reshape(len(blocks), POSITIONS, blocks.shape[1] // POSITIONS)
    first, first_codes = _numbered(parts[:, 0])
    others, other_codes = _numbered(parts[:, 1:].reshape(2 * len(parts), parts.shape[2]))
    codes = np.column_stack([first_codes, other_codes.reshape(-1, 2)])
    return BlockLibrary(first, others), codes.astype(np.int32)


def tanimoto(left: Bits, right: Bits) -> Floats:
    """Share of the bits of either that both have; 0 where neither has any.

    Args:
        left: uint8 [n, n_bytes], packed bits.
        right: uint8 [m, n_bytes].

    Returns:
        float32 [n, m], from 0 to 1.

    Source: Rogers, Tanimoto: A computer program for classifying plants, Science 132, 1115 (1960).
    """
    first, second = (np.unpackbits(packed, axis=1).astype(np.float32) for packed in (left, right))
    common = first @ second.T
    either = first.sum(axis=1)[:, None] + second.sum(axis=1)[None, :] - common
    similarity: Floats = common / np.maximum(either, np.float32(1))
    return similarity


def _numbered(packed: Bits) -> tuple[Bits, NDArray[np.int64]]:
    rows = np.ascontiguousarray(packed)
    unique, codes = np.unique(rows.view(f"V{rows.shape[1]}").ravel(), return_inverse=True)
    return unique.view(np.uint8).reshape(len(unique), rows.shape[1]), codes.ravel()
