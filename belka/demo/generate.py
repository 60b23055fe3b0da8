"""Write the demo library as a raw BELKA directory: training, test and extra files, meta.json, the truth."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rdkit
from numpy.typing import NDArray

from belka.contract import (
    EXTRA_COUNT,
    EXTRA_FILE,
    EXTRA_SMILES,
    EXTRA_TARGET,
    RAW_BLOCKS,
    RAW_ID,
    RAW_LABEL,
    RAW_PROTEIN,
    RAW_SMILES,
)
from belka.demo.hidden_rule import (
    PROTEINS,
    noise_free_scores,
    noisy_scores,
    rule_description,
    substructure_counts,
    thresholds,
)
from belka.demo.library import Library, enumerate_urea
from belka.demo.rows import Row, drop_pairs, pair_rows, unparsable_row, unusable_train_rows
from belka.files import atomic_path

MISSING_TRAIN: Final = 0.02
MISSING_TEST: Final = 0.2
EXTRA_SHARE: Final = 0.05


@dataclass(frozen=True)
class DemoSummary:
    """What was written.

    Attributes:
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


def make_demo_data(output_dir: Path, *, molecules: int, seed: int = 42) -> DemoSummary:
    """Enumerate a triazine library and write it as a raw BELKA directory.

    Training rows are sorted by block and their ids are 3 x molecule + protein; test rows are shuffled. About a third of
    the test molecules hold blocks that training does not, one in five (molecule, protein) pairs of test and one in
    fifty of train is missing, and a few rows are unusable (see `rows`). meta.json documents the labels' rule;
    truth/test_binds.parquet holds the test labels (id, binds, novel), which no pipeline step reads.

    Args:
        output_dir: Directory to write into; made if needed, files of the same names are replaced.
        molecules: Number of training molecules, from 100 up to what the library holds; test has a fifth of it.
        seed: Seed of everything random. Same seed, same molecules and same RDKit: same bytes.

    Returns:
        Counts of what was written.

    Raises:
        InputError: `molecules` is out of range.
    """
    rng = np.random.default_rng(seed)
    library = Library.draw(rng)
    train, test, spare = library.choose(molecules, rng)
    scores = noisy_scores(library.counts(np.concatenate([train, test])), rng)
    cut = thresholds(scores[:molecules])
    labels = (scores > cut).astype(np.int64)
    all_rows = pair_rows([library.row(triple) for triple in train.tolist()], labels[:molecules], first_id=0)
    train_rows, missing = drop_pairs(all_rows, MISSING_TRAIN, rng)
    train_unusable = unusable_train_rows(train_rows, missing, library.row(spare[0]), molecules=molecules)

    first_id = len(all_rows) + len(train_unusable)
    all_rows = pair_rows([library.row(triple) for triple in test.tolist()], labels[molecules:], first_id=first_id)
    test_rows, _ = drop_pairs(all_rows, MISSING_TEST, rng)
    written_test = [*test_rows, unparsable_row(library.row(spare[1]), first_id + len(all_rows))]
    known = {row[column] for row in train_rows for column in RAW_BLOCKS}
    novel = {row[RAW_SMILES] for row in test_rows if not known.issuperset(row[column] for column in RAW_BLOCKS)}
    binds = {protein: [row[RAW_LABEL] for row in train_rows if row[RAW_PROTEIN] == protein] for protein in PROTEINS}
    extra = _extra_rows(library, cut, round(EXTRA_SHARE * molecules), rng)
    summary = DemoSummary(
        train_molecules=molecules,
        train_rows=len(train_rows) + len(train_unusable),
        train_unusable_rows=len(train_unusable),
        test_molecules=len(test),
        test_novel_molecules=len(novel),
        test_rows=len(written_test),
        test_unusable_rows=len(written_test) - len(test_rows),
        extra_rows=len(extra),
        positive_share={protein: float(np.mean(found)) for protein, found in binds.items()},
    )
    shuffled = [written_test[i] for i in rng.permutation(len(written_test))]
    _write_table(output_dir / "train.parquet", _raw_table([*train_rows, *train_unusable], with_label=True))
    _write_table(output_dir / "test.parquet", _raw_table(shuffled, with_label=False))
    _write_table(output_dir / "truth" / "test_binds.parquet", _truth_table(test_rows, novel))
    with atomic_path(output_dir / EXTRA_FILE) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([(EXTRA_SMILES, EXTRA_COUNT), *extra])
    meta = {"seed": seed, "counts": asdict(summary), "rule": rule_description(cut), "rdkit_version": rdkit.__version__}
    with atomic_path(output_dir / "meta.json") as temporary:
        temporary.write_text(json.dumps(meta, indent=2) + "\n", encoding="utf-8")
    return summary


def _extra_rows(
    library: Library, cut: NDArray[np.float64], n_rows: int, rng: np.random.Generator
) -> list[tuple[str, int]]:
    """Ureas with read counts: above zero when the rule's sEH score of the two amines, scaled to three blocks, binds."""
    pairs = np.column_stack(np.triu_indices(len(library.amines)))
    n_rows = min(n_rows, len(pairs))
    pairs = pairs[rng.choice(len(pairs), n_rows, replace=False)]
    counts = substructure_counts(library.amines)[pairs].sum(axis=1)
    target = PROTEINS.index(EXTRA_TARGET)
    binds = 1.5 * noise_free_scores(counts)[:, target] > cut[target]
    reads = np.where(binds, 1 + rng.poisson(3.0, size=n_rows), 0)
    ureas = [enumerate_urea(library.amines[i], library.amines[j]) for i, j in pairs.tolist()]
    return list(zip(ureas, reads.tolist(), strict=True))


def _raw_table(rows: Sequence[Row], *, with_label: bool) -> pa.Table:
    """The raw BELKA columns, in their order; the label in train only."""
    text = [(column, pa.string()) for column in (*RAW_BLOCKS, RAW_SMILES, RAW_PROTEIN)]
    schema = pa.schema([(RAW_ID, pa.int64()), *text, *([(RAW_LABEL, pa.int64())] if with_label else [])])
    return pa.Table.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema=schema)


def _truth_table(rows: Sequence[Row], novel: set[str]) -> pa.Table:
    """The labels that test.parquet withholds: id, binds, novel (a block that training does not hold)."""
    return pa.table(
        {
            RAW_ID: pa.array([row[RAW_ID] for row in rows], pa.int64()),
            RAW_LABEL: pa.array([row[RAW_LABEL] for row in rows], pa.int8()),
            "novel": pa.array([row[RAW_SMILES] in novel for row in rows], pa.bool_()),
        }
    )


def _write_table(path: Path, table: pa.Table) -> None:
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)
