"""A library of more than a million molecules in the raw BELKA format, made of the demonstration's chemistry."""

from collections.abc import Iterator, Sequence
from itertools import chain, product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rdkit import Chem

from belka.contract import RAW_BLOCKS, RAW_ID, RAW_LABEL, RAW_PROTEIN, RAW_SMILES
from belka.demo.blocks import Block, amine_blocks, amino_acid_blocks
from belka.demo.hidden_rule import PROTEINS, noisy_scores, thresholds
from belka.demo.library import Library, Triples, enumerate_product, triple_space
from belka.errors import InputError
from belka.files import atomic_path
from belka.workers import WorkerPool

TEST_SHARE: Final = 0.05
HELD_OUT: Final = 4
CHUNK: Final = 20_000
# At the para and the meta position of aniline: any two make another amine.
_GROUPS: Final = ("C", "CC", "C(C)C", "OC", "OCC", "F", "Cl", "Br", "C#N", "C(F)(F)F", "OC(F)(F)F", "C(C)=O", "N(C)C")
_MORE_GROUPS: Final = ("S(C)(=O)=O", "C(N)=O", "CO", "C1CC1")


def decorated_anilines() -> Iterator[Block]:
    """Anilines with two groups, 289 of them, as blocks of positions 2 and 3."""
    groups = (*_GROUPS, *_MORE_GROUPS)
    for para, meta in product(groups, groups):
        smiles = f"Nc1ccc({para})c({meta})c1"
        yield Block(f"4-{para}-3-{meta}-aniline", smiles, Chem.CanonSmiles(smiles))


def make_library(raw_dir: Path, *, molecules: int, seed: int, n_workers: int) -> None:
    """Write train.parquet, the rows of a molecule side by side, and test.parquet with new blocks in half of it.

    Args:
        raw_dir: Folder to write into; files of the same names are replaced.
        molecules: Training molecules, three rows each.
        seed: Seed of everything random.
        n_workers: Processes that write SMILES.

    Raises:
        InputError: There are not so many molecules.
    """
    rng = np.random.default_rng(seed)
    first = amino_acid_blocks()
    by_smiles = {block.catalogue_smiles: block for block in (*amine_blocks(), *decorated_anilines())}
    amines = tuple(by_smiles.values())
    novel_first, novel_amines = rng.choice(len(first), HELD_OUT, replace=False), rng.choice(len(amines), HELD_OUT)
    library = Library(first, amines, *triple_space(len(first), len(amines), novel_first, novel_amines))
    n_test = round(TEST_SHARE * molecules) // 2
    if molecules + n_test > len(library.seen):
        raise InputError(
            "The generated library is not so large.",
            received=f"{molecules:,} molecules",
            expected=f"at most {int(len(library.seen) / (1 + TEST_SHARE / 2)):,}",
            action="Name a folder of raw files with --raw-dir.",
        )
    picked = library.seen[rng.permutation(len(library.seen))[: molecules + n_test]]
    novel = library.novel[rng.permutation(len(library.novel))[:n_test]]
    train, test = np.unique(picked[:molecules], axis=0), np.concatenate([picked[molecules:], novel])
    scores = noisy_scores(library.counts(train), rng)
    labels = (scores > thresholds(scores)).astype(np.int64)
    raw_dir.mkdir(parents=True, exist_ok=True)
    with WorkerPool(n_workers) as pool:
        _write(raw_dir / "train.parquet", _tables(library, train, labels, pool))
        _write(raw_dir / "test.parquet", _tables(library, test, None, pool))


def _tables(
    library: Library, triples: Triples, labels: NDArray[np.int64] | None, pool: WorkerPool
) -> Iterator[pa.Table]:
    """The rows of some molecules, each with every protein; the label where there are labels."""
    listed = [pa.array([block.catalogue_smiles for block in blocks]) for blocks in (library.first, library.amines)]
    starts = range(0, len(triples), CHUNK)
    jobs = ([library.blocks(triple) for triple in triples[start : start + CHUNK].tolist()] for start in starts)
    for start, smiles in zip(starts, pool.map(_enumerate, jobs), strict=True):
        rows = np.repeat(np.arange(start, start + len(smiles)), len(PROTEINS))
        columns: dict[str, Any] = {RAW_ID: np.arange(len(rows)) + len(PROTEINS) * start}
        for position, name in enumerate(RAW_BLOCKS):
            columns[name] = listed[min(position, 1)].take(pa.array(triples[rows, position]))
        columns[RAW_SMILES] = pa.array(smiles).take(pa.array(rows - start))
        columns[RAW_PROTEIN] = list(PROTEINS) * len(smiles)
        if labels is not None:
            columns[RAW_LABEL] = labels[start : start + len(smiles)].ravel()
        yield pa.table(columns)


def _enumerate(molecules: Sequence[tuple[Block, Block, Block]]) -> list[str]:
    return [enumerate_product(*blocks) for blocks in molecules]


def _write(path: Path, tables: Iterator[pa.Table]) -> None:
    first = next(tables)
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)
