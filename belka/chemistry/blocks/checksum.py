"""A checksum of SMILES that is additive over building blocks.

The checksum of a molecule equals the sum of those of its three blocks and of the core, if its SMILES was written by the
same toolkit as theirs. It counts, each with a weight of its own modulo 2**64, what canonical SMILES keep when blocks
are joined: the letters of the elements (aliphatic and aromatic apart), charges, isotopes' brackets, explicit hydrogens,
double and triple bonds, rings (as ring bond ends), the balance of parentheses. It leaves out what depends on the order
of writing: stereo marks and ring numbers. A molecule listed with a wrong block therefore differs, unless the two blocks
are isomers of the same kind.
"""

import hashlib
import string
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_ORDER_DEPENDENT: Final = "@/\\"
_CORE_SMILES: Final = "c1ncncn1"


def _weight(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _weights() -> npt.NDArray[np.uint64]:
    """Return the weight of each byte, uint64 [256]."""
    weights = {character: _weight(chr(character)) for character in range(256)}
    weights |= dict.fromkeys(map(ord, _ORDER_DEPENDENT), 0)
    weights |= dict.fromkeys(map(ord, string.digits), _weight("ring bond end"))
    weights[ord("%")] = -_weight("ring bond end")  # of the two digits that follow, one is too many
    weights[ord(")")] = -_weight("(")
    return np.array([weights[character] % 2**64 for character in range(256)], dtype=np.uint64)


_WEIGHTS: Final = _weights()


def smiles_checksums(smiles: pa.Array) -> npt.NDArray[np.uint64]:
    """Compute the checksums of a column of SMILES.

    Args:
        smiles: n strings; a missing one counts as empty.

    Returns:
        uint64 [n].
    """
    column = smiles.cast(pa.large_string()).fill_null("")
    _, offset_buffer, text_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[column.offset : column.offset + len(column) + 1]
    if not len(column) or offsets[0] == offsets[-1]:
        return np.zeros(len(column), dtype=np.uint64)
    text = np.frombuffer(text_buffer, np.uint8)[offsets[0] : offsets[-1]]
    # Sums wrap around at 2**64, and so do their differences: what is left is exact.
    totals = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(_WEIGHTS[text], dtype=np.uint64)])
    bounds = totals[offsets - offsets[0]]
    result: npt.NDArray[np.uint64] = bounds[1:] - bounds[:-1]
    return result


def join_checksum(linker_replacement: str) -> np.uint64:
    """Compute what a molecule adds to the checksums of its three blocks: the core, and what stands for the linker.

    Args:
        linker_replacement: The text in place of the linker, for example `[H]`.
    """
    core, linker = smiles_checksums(pa.array([_CORE_SMILES, linker_replacement]))
    return np.uint64((int(core) + int(linker)) % 2**64)
