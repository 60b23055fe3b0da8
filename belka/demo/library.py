"""The demo library: which triples of blocks it holds, and the molecule of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from belka.chemistry.blocks.join import join_blocks
from belka.contract import RAW_BLOCKS, RAW_SMILES
from belka.demo.blocks import Block, amine_blocks, amino_acid_blocks
from belka.demo.hidden_rule import substructure_counts
from belka.errors import BelkaError, InputError

MIN_MOLECULES: Final = 100
TEST_SHARE: Final = 0.2
NOVEL_SHARE: Final = 0.3
HELD_OUT_FIRST: Final = 3
HELD_OUT_AMINES: Final = 4

Triples = NDArray[np.int64]


def enumerate_product(first: Block, second: Block, third: Block) -> str:
    """Attach three blocks to the triazine of cyanuric chloride.

    Args:
        first: The amino acid that carries the linker.
        second: The amine of position 2.
        third: The amine of position 3.

    Returns:
        The molecule in the spelling of the BELKA files, see `belka.chemistry.spelling`.

    Raises:
        BelkaError: RDKit cannot read the product.
    """
    smiles = join_blocks(first.fragment, second.fragment, third.fragment)
    if smiles is None:
        raise BelkaError(
            "A demo molecule is not a valid molecule.",
            received=f"a product from {first.name}, {second.name}, {third.name}",
            expected="fragments of which RDKit can read the product",
            action="Mend the block in belka/demo/blocks.py.",
        )
    return smiles


def enumerate_urea(first: Block, second: Block) -> str:
    """Join two amines to a urea: a molecule of another library than the triazines, without a linker.

    Args:
        first: One amine.
        second: The other amine.

    Returns:
        RDKit's canonical isomeric SMILES.
    """
    return str(Chem.CanonSmiles(f"O=C({first.fragment}){second.fragment}"))


def triple_space(
    n_first: int, n_amines: int, held_out_first: NDArray[np.int64], held_out_amines: NDArray[np.int64]
) -> tuple[Triples, Triples]:
    """List all distinct products as rows of block indices.

    The triazine is symmetric in positions 2 and 3, so a pair of amines occurs in one order only.

    Args:
        n_first: Number of blocks of position 1.
        n_amines: Number of amines, shared by positions 2 and 3.
        held_out_first: Indices of position-1 blocks kept out of training.
        held_out_amines: Indices of amines kept out of training.

    Returns:
        int64 [n_seen, 3], triples whose blocks may all occur in training, and int64 [n_novel, 3], those with at least
        one held-out block; both in lexicographic order of block indices.
    """
    low, high = np.triu_indices(n_amines)
    # Alternating the order keeps both positions equally varied without ever listing a pair twice.
    swap = (low + high) % 2 == 1
    pairs = np.stack([np.where(swap, high, low), np.where(swap, low, high)], axis=1)
    first = np.repeat(np.arange(n_first), len(pairs))
    triples = np.column_stack([first, np.tile(pairs, (n_first, 1))]).astype(np.int64)
    novel = np.isin(triples[:, 0], held_out_first) | np.isin(triples[:, 1:], held_out_amines).any(axis=1)
    return triples[~novel], triples[novel]


@dataclass(frozen=True)
class Library:
    """The blocks and their triples.

    Attributes:
        first: Blocks of position 1.
        amines: Blocks of positions 2 and 3.
        seen: Triples whose blocks may all occur in training, see `triple_space`.
        novel: Triples with at least one held-out block.
    """

    first: tuple[Block, ...]
    amines: tuple[Block, ...]
    seen: Triples
    novel: Triples

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Library":
        """The library with some blocks held out of training."""
        first, amines = amino_acid_blocks(), amine_blocks()
        held_out_first = rng.choice(len(first), HELD_OUT_FIRST, replace=False)
        held_out_amines = rng.choice(len(amines), HELD_OUT_AMINES, replace=False)
        return cls(first, amines, *triple_space(len(first), len(amines), held_out_first, held_out_amines))

    def capacity(self) -> int:
        """Training molecules for which distinct test molecules remain, the two spare ones of unusable rows included."""
        return int((len(self.seen) - 2) / (1 + TEST_SHARE))

    def choose(self, molecules: int, rng: np.random.Generator) -> tuple[Triples, Triples, Triples]:
        """Pick distinct triples for train (sorted by block SMILES), test, and the two molecules of unparsable rows.

        Raises:
            InputError: The number of training molecules is out of range.
        """
        if not MIN_MOLECULES <= molecules <= self.capacity():
            raise InputError(
                "The demo library cannot be made in this size.",
                received=f"{molecules:,} molecules",
                expected=f"{MIN_MOLECULES:,} to {self.capacity():,} training molecules",
                action="Choose a number in that range, or use the real data of the competition.",
            )
        n_test = round(TEST_SHARE * molecules)
        n_novel = min(round(NOVEL_SHARE * n_test), len(self.novel))
        picked = self.seen[rng.choice(len(self.seen), molecules + n_test - n_novel + 2, replace=False)]
        novel = self.novel[rng.choice(len(self.novel), n_novel, replace=False)]
        train, shared, spare = np.split(picked, [molecules, len(picked) - 2])
        ordered = sorted(train.tolist(), key=lambda triple: [block.catalogue_smiles for block in self.blocks(triple)])
        return np.array(ordered, dtype=np.int64), np.concatenate([shared, novel]), spare

    def counts(self, triples: Triples) -> NDArray[np.int64]:
        """How often each substructure of the rule occurs in each molecule, int64 [n_molecules, n_substructures]."""
        first, amines = substructure_counts(self.first), substructure_counts(self.amines)
        return first[triples[:, 0]] + amines[triples[:, 1]] + amines[triples[:, 2]]

    def row(self, triple: Sequence[int]) -> dict[str, Any]:
        """The columns of one molecule that do not depend on the protein."""
        blocks = self.blocks(triple)
        listed = {column: block.catalogue_smiles for column, block in zip(RAW_BLOCKS, blocks, strict=True)}
        return {**listed, RAW_SMILES: enumerate_product(*blocks)}

    def blocks(self, triple: Sequence[int]) -> tuple[Block, Block, Block]:
        """The three blocks of a triple of indices."""
        return self.first[triple[0]], self.amines[triple[1]], self.amines[triple[2]]
