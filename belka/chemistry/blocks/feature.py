"""The feature `blocks` of Examples: the bits of a molecule's three building blocks as they occur in it.

Each block has the bits of its own circular fingerprint, ECFP of BLOCKS_ECFP whatever the fingerprint of the Examples,
centred on its atoms and on the core's carbon it hangs on, in the molecule without its linker. The block that carries
the linker comes first. The library is symmetric in the two others: they are in the ascending order of their bytes.

A molecule has no such bits where there is no triazine core with three blocks, where the linker [Dy] does not hang on
exactly one of them, and where there is more than one way to cut it, since a block holds such a core itself.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rdkit import Chem

from belka.chemistry.blocks.centred_bits import CentredBits
from belka.chemistry.blocks.fragment import block_places
from belka.chemistry.direct import Fingerprints
from belka.chemistry.ecfp import Ecfp
from belka.chemistry.fingerprints import FingerprintSettings
from belka.chemistry.smiles import parse
from belka.contract import BLOCK_BITS, BLOCKS_BYTES, LINKER, LINKER_REPLACEMENT, SMILES, SMILES_NO_LINKER

BLOCKS_ECFP: Final = FingerprintSettings(size=BLOCK_BITS, radius=2, chirality=True)
NO_BLOCKS: Final = b""


class BlockBits(NamedTuple):
    """The feature of some molecules.

    Attributes:
        packed: uint8 [n, BLOCKS_BYTES]; zeros where a molecule has no blocks.
        is_known: bool [n], whether it has.
    """

    packed: NDArray[np.uint8]
    is_known: NDArray[np.bool_]


class BlocksFeature:
    """Computes the feature of single molecules."""

    def __init__(self) -> None:
        self._ecfp = Ecfp(BLOCKS_ECFP)

    def of(self, marked: Chem.Mol, plain: Chem.Mol) -> bytes:
        """The bits of the three blocks.

        Args:
            marked: The molecule with its linker [Dy].
            plain: The same without: what the text with [H] in the linker's place reads.

        Returns:
            BLOCKS_BYTES bytes, each block as `numpy.packbits` packs it; NO_BLOCKS where the molecule has none.
        """
        cuts = [cut for cut in block_places(marked) if sum(block.has_linker for block in cut) == 1]
        if len(cuts) != 1:
            return NO_BLOCKS
        try:
            bits = CentredBits(marked, plain, self._ecfp)
        except ValueError:
            return NO_BLOCKS
        blocks = sorted((not block.has_linker, bits.of_block(block)) for block in cuts[0])
        return b"".join(packed for _, packed in blocks)

    def read(self, smiles: str | None, smiles_no_linker: str | None) -> bytes:
        """The same of the two SMILES of a molecule; NO_BLOCKS where one of them is no molecule."""
        marked = parse(smiles)
        if isinstance(marked, str):
            return NO_BLOCKS
        plain = parse(smiles_no_linker)
        return NO_BLOCKS if isinstance(plain, str) else self.of(marked, plain)


def read_blocks(smiles: Iterable[str]) -> list[bytes]:
    """The feature of molecules as a model gets it: NO_BLOCKS where a SMILES, with its linker [Dy], shows none."""
    feature = BlocksFeature()
    return [feature.read(text, text.replace(LINKER, LINKER_REPLACEMENT)) for text in smiles]


class BlocksSource(Protocol):
    """Where the feature of a batch comes from."""

    def compute(self, batch: pa.RecordBatch, fingerprints: Fingerprints) -> BlockBits:
        """Return the feature of the rows of `batch`, whose fingerprints these are."""


class DirectBlocks:
    """The feature of every molecule, computed from its SMILES."""

    columns = (SMILES, SMILES_NO_LINKER)

    def __init__(self) -> None:
        self._feature = BlocksFeature()

    def compute(self, batch: pa.RecordBatch, fingerprints: Fingerprints | None = None) -> BlockBits:
        """Return the feature of a batch.

        Args:
            batch: n molecules with at least `columns`.
            fingerprints: Not looked at; a source that composes the feature needs them.
        """
        del fingerprints
        texts = zip(*(batch.column(name).to_pylist() for name in self.columns), strict=True)
        found = [self._feature.read(*pair) for pair in texts]
        is_known = np.array([bool(each) for each in found], dtype=np.bool_)
        packed = np.zeros((batch.num_rows, BLOCKS_BYTES), np.uint8)
        packed[is_known] = np.frombuffer(b"".join(found), np.uint8).reshape(-1, BLOCKS_BYTES)
        return BlockBits(packed, is_known)
