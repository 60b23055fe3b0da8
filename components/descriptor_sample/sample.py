"""Which molecules the stage mtr learns from: training molecules, and free recombinations of their blocks.

None of validation is among them, nor, unless test molecules may train, one of test: a recombination that is one of them
in either sense, by its SMILES or by the blocks it is listed with, is left out.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from belka.chemistry.blocks.compose import read_catalogue
from belka.chemistry.blocks.join import join_blocks
from belka.chemistry.blocks.sample import draw_molecules
from belka.chemistry.smiles_column import usable_smiles
from belka.contract import (
    BLOCK_IDS,
    LINKER,
    LINKER_REPLACEMENT,
    SMILES,
    SMILES_NO_LINKER,
    SPLIT_GROUP,
    SplitGroup,
    Subset,
)
from belka.enumeration.library import ProductLibrary
from belka.enumeration.read_library import library_of_molecules
from belka.errors import InputError
from belka.molecules import list_shards, read_rows

logger = logging.getLogger(__name__)

Triples = NDArray[np.int64]
Joiner = Callable[[Sequence[tuple[str, str, str]]], list[str | None]]

_CANDIDATES: Final = 4  # times the recombinations wanted: some are the same product, or one that is left out
_LISTED: Final = 1 << 20  # a library of so few products is looked at whole
_SCANNED: Final = 1 << 17  # rows at once
_RECOMBINING: Final = 7  # of the random numbers: others than those of the rest of the run


class Sampled(NamedTuple):
    """Some molecules.

    Attributes:
        smiles: Texts with [H] in the linker's place.
        groups: int64 [n], SplitGroup.
    """

    smiles: list[str]
    groups: NDArray[np.int64]


def drawn(molecules_dir: Path, subset: Subset, count: int, *, seed: int) -> Sampled:
    """Draw molecules of a subset at random; all of them where there are fewer.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        subset: Theirs.
        count: Molecules wanted.
        seed: Another seed draws others.
    """
    shards = [shard for shard in list_shards(molecules_dir) if shard.split == subset.split]
    rows = draw_molecules(shards, count, seed=seed, columns=(SMILES_NO_LINKER, SPLIT_GROUP))
    if not len(rows):
        return Sampled([], np.empty(0, np.int64))
    usable, _, _ = usable_smiles(rows[SMILES_NO_LINKER].combine_chunks())
    texts = [text or "" for text in usable.to_pylist()]
    return Sampled(texts, rows[SPLIT_GROUP].cast(pa.int64()).to_numpy())


def rows_of(molecules_dir: Path, subset: Subset) -> int:
    """Number of molecules of a subset."""
    return sum(shard.n_rows for shard in list_shards(molecules_dir) if shard.split == subset.split)


def recombined(
    molecules_dir: Path, count: int, *, without: Sampled, held_out: Sequence[Subset], seed: int, join: Joiner
) -> Sampled:
    """Draw products of blocks of training molecules.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        count: Products wanted; fewer where there are fewer, none where molecules are not cut into three blocks.
        without: Molecules that are there already.
        held_out: Subsets whose molecules are left out.
        seed: Another seed draws others.
        join: Joins triples of blocks' texts, as `join_all`.

    Returns:
        Different products, in random order.
    """
    try:
        library = library_of_molecules(molecules_dir, (Subset.TRAIN,)) if count else None
    except InputError as error:
        logger.warning("No building blocks are recombined. %s %s", error.problem, error.received)
        library = None
    if library is None:
        return Sampled([], np.empty(0, np.int64))
    taken, found = set(without.smiles), dict[str, None]()
    for triples in _candidates(library, count, np.random.default_rng((seed, _RECOMBINING))):
        joined = join(_texts(library, triples))
        products = {text: triple for text, triple in zip(joined, triples.tolist(), strict=True) if text}
        gone = _held_out(molecules_dir, held_out, products, library)
        plain = (text.replace(LINKER, LINKER_REPLACEMENT) for text in products if text not in gone)
        found |= dict.fromkeys(text for text in plain if text not in taken)
        if len(found) >= count:
            break
    texts = list(found)[:count]
    return Sampled(texts, np.full(len(texts), SplitGroup.SHARED, np.int64))


def join_all(triples: Sequence[tuple[str, str, str]]) -> list[str | None]:
    """Join the texts of three blocks each, see `belka.chemistry.blocks.join`; None where RDKit reads no molecule."""
    return [join_blocks(*texts) for texts in triples]


def _candidates(library: ProductLibrary, count: int, rng: np.random.Generator) -> Iterator[Triples]:
    """Places of the blocks of different products in random order, a little more than `count` at once, int64 [n, 3]."""
    sizes = (len(library.first), len(library.second), len(library.third))
    space, wanted = int(np.prod(sizes)), max(_CANDIDATES * count, _LISTED)
    numbers = rng.permutation(space) if space <= wanted else rng.integers(space, size=wanted)
    _, first = np.unique(numbers, return_index=True)
    a, b, c = np.unravel_index(numbers[np.sort(first)], sizes)
    triples = np.stack([a, library.second[b], library.third[c]], axis=1)
    triples = triples[~library.is_repeated(triples[:, 1], triples[:, 2])]
    at_once = count + count // 4 + 64  # some are left out: seldom is a second round needed
    for start in range(0, len(triples), at_once):
        yield triples[start : start + at_once]


def _texts(library: ProductLibrary, triples: Triples) -> list[tuple[str, str, str]]:
    return [(library.first[a].text, library.amines[b].text, library.amines[c].text) for a, b, c in triples.tolist()]


def _held_out(
    molecules_dir: Path, subsets: Sequence[Subset], products: dict[str, list[int]], library: ProductLibrary
) -> set[str]:
    """Those of the products, SMILES -> places of its blocks, that are molecules of some subsets."""
    catalogue = read_catalogue(molecules_dir)
    ids = {smiles: block for block, smiles in enumerate(catalogue)}
    first, amines = (
        np.array([ids[block.listed] for block in blocks], np.int64) for blocks in (library.first, library.amines)
    )
    places = np.array(list(products.values()), np.int64).reshape(-1, 3)
    keys = _keys(first[places[:, 0]], amines[places[:, 1]], amines[places[:, 2]], len(catalogue))
    texts, gone = list(products), set[str]()
    wanted, splits = pa.array(texts, pa.string()), {subset.split for subset in subsets}
    for shard in list_shards(molecules_dir):
        if shard.split not in splits:
            continue
        for batch in read_rows(shard.path, [SMILES, *BLOCK_IDS], batch_rows=_SCANNED):
            smiles = batch.column(SMILES).cast(pa.string())
            gone.update(smiles.filter(pc.is_in(smiles, value_set=wanted)).to_pylist())
            a, b, c = (batch.column(name).cast(pa.int64()).fill_null(-1).to_numpy() for name in BLOCK_IDS)
            listed = np.isin(keys, _keys(a, b, c, len(catalogue)))
            gone.update(texts[row] for row in np.flatnonzero(listed))
    return gone


def _keys(first: Triples, second: Triples, third: Triples, n_blocks: int) -> Triples:
    """One number a triple of blocks, the same whichever of the second and the third is which; -1 without blocks."""
    low, high = np.minimum(second, third), np.maximum(second, third)
    keys: Triples = np.where((first >= 0) & (low >= 0), (first * n_blocks + low) * n_blocks + high, -1)
    return keys
