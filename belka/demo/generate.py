"""Write the demo library as a raw BELKA directory: train.parquet, test.parquet, DNA_Labeled_Data.csv, meta.json, the truth."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from belka import contract as dc
from belka.demo.blocks import Block, amine_blocks, amino_acid_blocks
from belka.demo.enumeration import TripleSpace, enumerate_product, enumerate_urea, triple_space
from belka.demo.hidden_rule import (
    NOISE_SHARE,
    noise_free_scores,
    rule_description,
    substructure_counts,
    thresholds,
)
from belka.demo.raw_directory import write_extra, write_meta, write_rows, write_truth
from belka.demo.unusable_rows import unusable_test_rows, unusable_train_rows
from belka.errors import InputError

MIN_MOLECULES: Final = 100
TEST_SHARE: Final = 0.2
NOVEL_SHARE: Final = 0.3
MISSING_TRAIN: Final = 0.02
MISSING_TEST: Final = 0.2
EXTRA_SHARE: Final = 0.05
HELD_OUT_FIRST: Final = 3
HELD_OUT_AMINES: Final = 4

PROTEINS: Final = dc.DEFAULT_TARGETS


@dataclass(frozen=True)
class DemoSummary:
    """What was written.

    Args:
        train_molecules: Distinct usable molecules of train.parquet.
        train_rows: Rows of train.parquet, unusable ones included.
        train_unusable_rows: Rows that the pipeline must refuse, all in train.parquet.
        test_molecules: Distinct usable molecules of test.parquet.
        test_novel_molecules: Those of them with a block that train.parquet does not hold.
        test_rows: Rows of test.parquet, unusable ones included.
        test_unusable_rows: Rows whose SMILES cannot be parsed, all in test.parquet.
        extra_rows: Rows of DNA_Labeled_Data.csv.
        positive_share: Share of label 1 by protein, in train.parquet.
    """

    train_molecules: int
    train_rows: int
    train_unusable_rows: int
    test_molecules: int
    test_novel_molecules: int
    test_rows: int
    test_unusable_rows: int
    extra_rows: int
    positive_share: dict[str, float]


@dataclass(frozen=True)
class _Library:
    first: tuple[Block, ...]
    amines: tuple[Block, ...]
    space: TripleSpace

    @classmethod
    def build(cls, rng: np.random.Generator) -> "_Library":
        first, amines = amino_acid_blocks(), amine_blocks()
        space = triple_space(
            len(first),
            len(amines),
            rng.choice(len(first), HELD_OUT_FIRST, replace=False),
            rng.choice(len(amines), HELD_OUT_AMINES, replace=False),
        )
        return cls(first, amines, space)

    def capacity(self) -> int:
        """Training molecules for which distinct test molecules remain, the two spare ones of unusable rows included."""
        return int((len(self.space.seen) - 2) / (1 + TEST_SHARE))

    def blocks(self, triple: Sequence[int]) -> tuple[Block, Block, Block]:
        return self.first[triple[0]], self.amines[triple[1]], self.amines[triple[2]]

    def counts(self, triples: NDArray[np.int64]) -> NDArray[np.int64]:
        first, amines = substructure_counts(self.first), substructure_counts(self.amines)
        return first[triples[:, 0]] + amines[triples[:, 1]] + amines[triples[:, 2]]

    def row(self, triple: Sequence[int]) -> dict[str, Any]:
        """The columns of one molecule that do not depend on the protein."""
        blocks = self.blocks(triple)
        return {
            **{column: block.catalogue_smiles for column, block in zip(dc.RAW_BLOCKS, blocks, strict=True)},
            dc.RAW_SMILES: enumerate_product(*blocks),
        }


def make_demo_data(output_dir: Path, *, molecules: int, seed: int = 42) -> DemoSummary:
    """Enumerate a triazine library and write it as a raw BELKA directory.

    Training rows are sorted by block and their ids are 3 x molecule + protein; test rows are shuffled. About a third of the test
    molecules hold blocks that training does not, one in five (molecule, protein) pairs of test and one in fifty of train is
    missing, and a few rows are unusable (see `unusable_rows`). meta.json documents the labels' rule; truth/test_binds.parquet
    holds the test labels (id, binds, novel), which no pipeline step reads.

    Args:
        output_dir: Directory to write into; made if needed, files of the same names are replaced.
        molecules: Number of training molecules, from `MIN_MOLECULES` up to what the library holds; test has a fifth of it.
        seed: Seed of everything random. Same seed, same molecules and same RDKit: same bytes.

    Returns:
        Counts of what was written.

    Raises:
        InputError: `molecules` is out of range.
    """
    rng = np.random.default_rng(seed)
    library = _Library.build(rng)
    if not MIN_MOLECULES <= molecules <= library.capacity():
        raise InputError(
            "The demo library cannot be made in this size.",
            received=f"{molecules:,} molecules",
            expected=f"{MIN_MOLECULES:,} to {library.capacity():,} training molecules",
            action="Choose a number in that range, or use the real data of the competition.",
        )
    train, test, spare = _choose_triples(library, molecules, rng)
    scores = _noisy_scores(library, np.concatenate([train, test]), rng)
    cut = thresholds(scores[:molecules], PROTEINS)
    labels = (scores > cut).astype(np.int64)

    train_rows = _rows(library, train, labels[:molecules], first_id=0)
    train_rows, missing = _drop_pairs(train_rows, MISSING_TRAIN, rng)
    train_unusable = unusable_train_rows(train_rows, missing, library.row(spare[0]), molecules=molecules)
    test_first_id = len(PROTEINS) * molecules + len(train_unusable)
    test_rows, _ = _drop_pairs(_rows(library, test, labels[molecules:], first_id=test_first_id), MISSING_TEST, rng)
    test_unusable = unusable_test_rows(library.row(spare[1]), first_id=test_first_id + len(PROTEINS) * len(test))
    novel = _novel_smiles(train_rows, test_rows)
    extra = _extra_rows(library, cut, round(EXTRA_SHARE * molecules), rng)

    usable = [int(row[dc.RAW_LABEL]) for row in train_rows]
    summary = DemoSummary(
        train_molecules=molecules,
        train_rows=len(train_rows) + len(train_unusable),
        train_unusable_rows=len(train_unusable),
        test_molecules=len(test),
        test_novel_molecules=len(novel),
        test_rows=len(test_rows) + len(test_unusable),
        test_unusable_rows=len(test_unusable),
        extra_rows=len(extra),
        positive_share={
            protein: float(
                np.mean([y for y, row in zip(usable, train_rows, strict=True) if row[dc.RAW_PROTEIN] == protein])
            )
            for protein in PROTEINS
        },
    )
    all_test = [*test_rows, *test_unusable]
    shuffled = [all_test[i] for i in rng.permutation(len(all_test))]
    write_rows(output_dir / "train.parquet", [*train_rows, *train_unusable], with_label=True)
    write_rows(output_dir / "test.parquet", shuffled, with_label=False)
    write_truth(output_dir / "truth" / "test_binds.parquet", test_rows, novel)
    write_extra(output_dir / dc.EXTRA_FILE, extra)
    write_meta(
        output_dir / "meta.json", {"seed": seed, "counts": asdict(summary), "rule": rule_description(PROTEINS, cut)}
    )
    return summary


def _choose_triples(
    library: _Library, molecules: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pick distinct triples for train (sorted by block SMILES), test, and the two molecules of unparsable rows."""
    n_test = round(TEST_SHARE * molecules)
    n_novel = min(round(NOVEL_SHARE * n_test), len(library.space.novel))
    picked = library.space.seen[rng.choice(len(library.space.seen), molecules + n_test - n_novel + 2, replace=False)]
    novel = library.space.novel[rng.choice(len(library.space.novel), n_novel, replace=False)]
    train, shared, spare = np.split(picked, [molecules, len(picked) - 2])
    ordered = sorted(train.tolist(), key=lambda triple: [block.catalogue_smiles for block in library.blocks(triple)])
    return np.array(ordered, dtype=np.int64), np.concatenate([shared, novel]), spare


def _noisy_scores(library: _Library, triples: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    scores = noise_free_scores(library.counts(triples), PROTEINS)
    noise = rng.normal(size=scores.shape) * NOISE_SHARE * scores.std(axis=0)
    return np.asarray(scores + noise, dtype=np.float64)


def _rows(
    library: _Library, triples: NDArray[np.int64], labels: NDArray[np.int64], *, first_id: int
) -> list[dict[str, Any]]:
    """One row a (molecule, protein) pair, a molecule's rows adjacent."""
    return [
        {
            dc.RAW_ID: first_id + len(PROTEINS) * i + j,
            **columns,
            dc.RAW_PROTEIN: protein,
            dc.RAW_LABEL: int(labels[i, j]),
        }
        for i, columns in enumerate(map(library.row, triples.tolist()))
        for j, protein in enumerate(PROTEINS)
    ]


def _drop_pairs(
    rows: list[dict[str, Any]], share: float, rng: np.random.Generator
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Take a share of the pairs out, at most one of each molecule; return what stays and what was taken."""
    molecules = len(rows) // len(PROTEINS)
    chosen = rng.choice(molecules, min(molecules, round(share * len(rows))), replace=False)
    dropped = {
        int(m) * len(PROTEINS) + int(p)
        for m, p in zip(chosen, rng.integers(len(PROTEINS), size=len(chosen)), strict=True)
    }
    kept = [row for i, row in enumerate(rows) if i not in dropped]
    return kept, [rows[i] for i in sorted(dropped)]


def _novel_smiles(train_rows: list[dict[str, Any]], test_rows: list[dict[str, Any]]) -> set[str]:
    """Test molecules with a block that training does not hold."""
    known = {row[column] for row in train_rows for column in dc.RAW_BLOCKS}
    return {row[dc.RAW_SMILES] for row in test_rows if any(row[column] not in known for column in dc.RAW_BLOCKS)}


def _extra_rows(
    library: _Library, cut: NDArray[np.float64], n_rows: int, rng: np.random.Generator
) -> list[tuple[str, int]]:
    """Ureas with read counts: above zero when the rule's sEH score of the two amines, scaled to three blocks, binds."""
    pairs = np.column_stack(np.triu_indices(len(library.amines)))
    pairs = pairs[rng.choice(len(pairs), n_rows, replace=False)]
    counts = substructure_counts(library.amines)[pairs].sum(axis=1)
    target = PROTEINS.index(dc.EXTRA_TARGET)
    binds = 1.5 * noise_free_scores(counts, PROTEINS)[:, target] > cut[target]
    reads = np.where(binds, 1 + rng.poisson(3.0, size=n_rows), 0)
    return [
        (enumerate_urea(library.amines[i], library.amines[j]), int(count))
        for (i, j), count in zip(pairs.tolist(), reads, strict=True)
    ]
