"""Which triples of blocks the demo library holds, and the molecule of each."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from belka.demo.blocks import Block, canonical_smiles
from belka.errors import BelkaError

_RING: Final = "%10"  # ring closure of the core: fragments use 1 to 9
_LINKER_RDKIT: Final = "[NH][Dy]"
_LINKER_BELKA: Final = "N[Dy]"


def enumerate_product(first: Block, second: Block, third: Block) -> str:
    """Attach three blocks to the triazine of cyanuric chloride.

    Args:
        first: The amino acid that carries the linker.
        second: The amine of position 2.
        third: The amine of position 3.

    Returns:
        RDKit's canonical isomeric SMILES, with the linker written `N[Dy]` as in the BELKA files (RDKit writes `[NH][Dy]`).

    Raises:
        BelkaError: RDKit cannot read the product.
    """
    joined = f"c{_RING}({first.fragment})nc({second.fragment})nc({third.fragment})n{_RING}"
    molecule = _parse(joined)
    if molecule is None:
        raise BelkaError(
            "A demo molecule is not a valid molecule.",
            received=f"{joined} from {first.name}, {second.name}, {third.name}",
            expected="a SMILES that RDKit can parse",
            action="Mend the block in belka/demo/blocks.py.",
        )
    return str(Chem.MolToSmiles(molecule)).replace(_LINKER_RDKIT, _LINKER_BELKA)


def _parse(smiles: str) -> Chem.Mol | None:
    return Chem.MolFromSmiles(smiles)


def enumerate_urea(first: Block, second: Block) -> str:
    """Join two amines to a urea: a molecule of another library than the triazines, without a linker.

    Args:
        first: One amine.
        second: The other amine.

    Returns:
        RDKit's canonical isomeric SMILES.
    """
    return canonical_smiles(f"O=C({first.fragment}){second.fragment}")


@dataclass(frozen=True)
class TripleSpace:
    """All distinct products as rows of block indices; blocks held out of training are known.

    The triazine is symmetric in positions 2 and 3, so a pair of amines occurs in one order only.

    Args:
        seen: int64 [n_seen, 3], triples whose blocks may all occur in training.
        novel: int64 [n_novel, 3], triples with at least one held-out block.
    """

    seen: NDArray[np.int64]
    novel: NDArray[np.int64]


def triple_space(
    n_first: int, n_amines: int, held_out_first: NDArray[np.int64], held_out_amines: NDArray[np.int64]
) -> TripleSpace:
    """List every triple of the library.

    Args:
        n_first: Number of blocks of position 1.
        n_amines: Number of amines, shared by positions 2 and 3.
        held_out_first: Indices of position-1 blocks kept out of training.
        held_out_amines: Indices of amines kept out of training.

    Returns:
        The triples, in lexicographic order of block indices, split by whether training may hold them.
    """
    low, high = np.triu_indices(n_amines)
    # Alternating the order keeps both positions equally varied without ever listing a pair twice.
    swap = (low + high) % 2 == 1
    pairs = np.stack([np.where(swap, high, low), np.where(swap, low, high)], axis=1)
    first = np.repeat(np.arange(n_first), len(pairs))
    triples = np.column_stack([first, np.tile(pairs, (n_first, 1))]).astype(np.int64)
    novel = np.isin(triples[:, 0], held_out_first) | np.isin(triples[:, 1:], held_out_amines).any(axis=1)
    return TripleSpace(seen=triples[~novel], novel=triples[novel])
