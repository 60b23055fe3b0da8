"""A molecules folder of demo products: some are held out though their blocks train, some have a new block."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import BLOCK_IDS, BLOCKS_FILE, LINKER, LINKER_REPLACEMENT, SplitGroup, Subset, split_folder
from belka.demo.blocks import amine_blocks, amino_acid_blocks
from belka.demo.library import enumerate_product
from belka.tokens.vocabulary import read_vocabulary
from components.molecule_transform.transform_graph import write_transform_graph
from components.smiles_vocab.build import build_vocabulary

FIRST, AMINES = amino_acid_blocks()[:4], amine_blocks()[:14]
NEW: Final = 3  # the first block that no training molecule has


@dataclass(frozen=True)
class Table:
    """A molecules folder and what is in it.

    Attributes:
        folder: The folder.
        smiles: Subset -> SMILES with the linker.
        graph: TransformGraph of its tokens.
    """

    folder: Path
    smiles: dict[Subset, list[str]]
    graph: Path


def subset_of(first: int, second: int, third: int) -> Subset | None:
    """Where a product belongs; None = in no subset, so that it can only be recombined."""
    if first == NEW:
        return Subset.VALIDATION if second % 2 else Subset.TEST
    kinds = {0: Subset.TRAIN, 1: Subset.VALIDATION, 2: Subset.TEST, 3: None, 4: Subset.TRAIN}
    return kinds[(7 * first + 3 * second + third) % 5]


def write_table(folder: Path) -> Table:
    """Write the folder, and vocabulary and graph beside it."""
    catalogue = sorted({block.catalogue_smiles for block in (*FIRST, *AMINES)})
    rows: dict[Subset, list[tuple[str, tuple[int, ...], int]]] = {subset: [] for subset in Subset}
    for first, second, third in product(range(len(FIRST)), range(len(AMINES)), range(len(AMINES))):
        subset = subset_of(first, second, third)
        if subset is None or second > third:
            continue
        blocks = FIRST[first], AMINES[second], AMINES[third]
        ids = tuple(catalogue.index(block.catalogue_smiles) for block in blocks)
        group = SplitGroup.NON_SHARED if first == NEW else SplitGroup.SHARED
        rows[subset].append((enumerate_product(*blocks), ids, group))
    rows[Subset.TRAIN].append(("not a molecule at all", (None, None, None), SplitGroup.SHARED))  # type: ignore[arg-type]
    number = 0
    for subset, found in rows.items():
        smiles = [text for text, _, _ in found]
        columns = {
            "molecule_id": pa.array(range(number, number + len(found)), pa.int64()),
            "smiles": pa.array(smiles),
            "smiles_no_linker": pa.array([text.replace(LINKER, LINKER_REPLACEMENT) for text in smiles]),
            "split_group": pa.array([group for _, _, group in found], pa.int8()),
            **{name: pa.array([ids[at] for _, ids, _ in found], pa.int32()) for at, name in enumerate(BLOCK_IDS)},
        }
        number += len(found)
        target = folder / split_folder(subset.split)
        target.mkdir(parents=True)
        pq.write_table(pa.table(columns), target / "molecules-00000.parquet", row_group_size=20)
    blocks_table = {"block_id": pa.array(range(len(catalogue)), pa.int32()), "smiles": catalogue}
    pq.write_table(pa.table(blocks_table), folder / BLOCKS_FILE)
    vocabulary, graph = folder.parent / "vocabulary", folder.parent / "graph"
    build_vocabulary(folder, vocabulary, n_workers=1)
    write_transform_graph(
        graph, preprocessing_fn="trainer_module.preprocessing.preprocessing_fn", vocabulary=read_vocabulary(vocabulary)
    )
    return Table(folder, {subset: [text for text, _, _ in found] for subset, found in rows.items()}, graph)
