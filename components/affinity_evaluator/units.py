"""What a bootstrap resamples: the building blocks that are new, or molecules where no block is.

Molecules of one block are alike, and so are the errors made on them: intervals from resampled molecules are too narrow
where it is blocks that a model has not seen. There each resample draws as many new blocks as there are, with
replacement. A molecule counts as often as its new blocks were drawn: with several, the product of their numbers.

Source: Owen: The pigeonhole bootstrap, Ann. Appl. Stat. 1, 386 (2007), and Owen, Eckles: Bootstrapping data arrays of
arbitrary order, Ann. Appl. Stat. 6, 895 (2012), on factors that cross; with one new block a molecule it is the cluster
bootstrap of Davison, Hinkley: Bootstrap methods and their application, section 3.8 (1997).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from belka.contract import BLOCKS_FILE, Subset
from components.affinity_evaluator.block_ids import NO_BLOCK, BlockIds, MoleculeBlocks

# Of fewer blocks a resample often repeats one and the same: its intervals would be about as wide as chance has it.
MIN_BLOCKS: Final = 5
# More molecules than this are dealt at random to so many groups, which are drawn whole: the variance of a mean is the
# same, and the cost of a resample no longer grows with the molecules (random groups; Wolter: Introduction to Variance
# Estimation, chapter 2).
MAX_MOLECULE_UNITS: Final = 1 << 17


@dataclass(frozen=True)
class ResampledUnit:
    """What the resamples of a split group draw.

    Attributes:
        kind: `blocks` or `molecules`.
        number: How many of them there are.
    """

    kind: Literal["blocks", "molecules"]
    number: int


@dataclass(frozen=True)
class NewBlocks:
    """The building blocks of the validation molecules, and which of them training never shows.

    Attributes:
        of_molecules: The blocks of each molecule.
        is_new: bool [n_blocks], held out for validation.
    """

    of_molecules: MoleculeBlocks
    is_new: NDArray[np.bool_]

    @classmethod
    def read(cls, molecules_dir: Path) -> Self:
        """Read what ParquetMerge wrote."""
        is_new = pq.read_table(molecules_dir / BLOCKS_FILE, columns=["in_validation"])[0].to_numpy()
        return cls(MoleculeBlocks.read(molecules_dir, Subset.VALIDATION), is_new)

    def of(self, ids: NDArray[np.int64]) -> BlockIds:
        """The new blocks of molecules, int32 [n, 3], each once; -1 where a block is not new or there is none."""
        blocks = self.of_molecules.of(ids)
        blocks[~np.append(self.is_new, False)[blocks]] = NO_BLOCK
        for later in (1, 2):
            for earlier in range(later):
                blocks[blocks[:, later] == blocks[:, earlier], later] = NO_BLOCK
        return blocks


@dataclass(frozen=True)
class Units:
    """Molecules that every resample weighs alike.

    Attributes:
        of: int32 [n_molecules], the unit of each molecule.
        factors: int64 [n_units, 3], what a unit's weight is the product of: positions among blocks, then units that are
            drawn by themselves, then one that always counts once.
        n_blocks: Blocks that are drawn.
        n_alone: Units that are drawn by themselves.
        told: The same for readers.
    """

    of: NDArray[np.int32]
    factors: NDArray[np.int64]
    n_blocks: int
    n_alone: int
    told: ResampledUnit

    @classmethod
    def of_molecules(cls, n: int, generator: np.random.Generator) -> Self:
        """Every molecule is a unit, or one of `MAX_MOLECULE_UNITS` random groups is.

        Args:
            n: Number of molecules.
            generator: Deals them to groups where they are many.
        """
        of, n_units = _dealt(n, generator)
        factors = np.stack([np.arange(n_units), *[np.full(n_units, n_units)] * 2], axis=1)
        return cls(of, factors, 0, n_units, ResampledUnit("molecules", n))

    @classmethod
    def of_blocks(cls, blocks: BlockIds, generator: np.random.Generator) -> Self:
        """Molecules with the same new blocks are a unit; without a new block, as `of_molecules`.

        Args:
            blocks: int32 [n, 3], the new blocks of each molecule, each once, from `NewBlocks.of`.
            generator: See `of_molecules`; used as well where there are fewer than `MIN_BLOCKS` blocks.
        """
        drawn = np.unique(blocks[blocks != NO_BLOCK])
        if drawn.size < MIN_BLOCKS:
            return cls.of_molecules(len(blocks), generator)
        # Positions among the blocks that are drawn; what is no new block comes last and is the same for all.
        places = np.full(int(drawn[-1]) + 2, drawn.size, np.int64)
        places[drawn] = np.arange(drawn.size)
        base = drawn.size + 1
        found = np.sort(places[blocks], axis=1)
        codes, of = np.unique((found[:, 0] * base + found[:, 1]) * base + found[:, 2], return_inverse=True)
        factors = np.stack([codes // base**2, codes // base % base, codes % base], axis=1)
        alone = np.flatnonzero(factors[:, 0][of] == drawn.size)
        of_alone, n_alone = _dealt(alone.size, generator)
        last = drawn.size + n_alone
        factors[factors == drawn.size] = last
        if n_alone:  # the unit of no new block, which is the last, makes room for them
            of[alone] = len(factors) - 1 + of_alone
            own = np.stack([drawn.size + np.arange(n_alone), *[np.full(n_alone, last)] * 2], axis=1)
            factors = np.concatenate([factors[:-1], own])
        return cls(of.astype(np.int32), factors, drawn.size, n_alone, ResampledUnit("blocks", drawn.size))

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.factors)

    def draw(self, generator: np.random.Generator, n_samples: int) -> NDArray[np.float64]:
        """Draw resamples.

        Args:
            generator: Source of random numbers.
            n_samples: Number of resamples.

        Returns:
            float64 [n_units, n_samples], how often each unit's molecules count.
        """
        counts = np.ones((n_samples, self.n_blocks + self.n_alone + 1))
        for row in counts:
            start = 0
            for n in (self.n_blocks, self.n_alone):
                if n:
                    row[start : start + n] = np.bincount(generator.integers(n, size=n), minlength=n)
                start += n
        weights = counts[:, self.factors[:, 0]]
        if self.n_blocks:  # a unit that is drawn by itself has no other factor than 1
            weights *= counts[:, self.factors[:, 1]]
            weights *= counts[:, self.factors[:, 2]]
        return np.ascontiguousarray(weights.T)


def _dealt(n: int, generator: np.random.Generator) -> tuple[NDArray[np.int32], int]:
    """A unit for each of n molecules, int32 [n], and the number of units."""
    if n <= MAX_MOLECULE_UNITS:
        return np.arange(n, dtype=np.int32), n
    return generator.permutation(np.arange(n, dtype=np.int32) % MAX_MOLECULE_UNITS), MAX_MOLECULE_UNITS
