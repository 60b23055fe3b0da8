"""Molecules the model is most confidently wrong about, and the building blocks its predictions follow, drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from belka.contract import (
    BLOCKS_FILE,
    LABEL_NEGATIVE,
    LABEL_POSITIVE,
    LABEL_UNKNOWN,
    MOLECULE_ID,
    SMILES,
    Subset,
)
from belka.molecules import list_shards, read_rows
from belka.pages.drawing import draw_smiles
from components.affinity_evaluator.block_ids import NO_BLOCK, BlockIds, MoleculeBlocks
from components.affinity_evaluator.predictions import Predictions

WRONG_PER_TARGET: Final = 3
BLOCKS_PER_TARGET: Final = 3
MIN_MOLECULES_PER_BLOCK: Final = 5
_ROWS_AT_A_TIME: Final = 1 << 20


@dataclass(frozen=True)
class WrongMolecule:
    """A molecule whose prediction is far from its label.

    Attributes:
        target: Protein.
        label: 0 or 1.
        probability: Predicted.
        smiles: As given.
        svg: Its drawing; empty where it cannot be drawn.
    """

    target: str
    label: int
    probability: float
    smiles: str
    svg: str


@dataclass(frozen=True)
class DrivingBlock:
    """A building block whose molecules are predicted to bind.

    Attributes:
        target: Protein.
        positions: Where it stands in these molecules: 1, 2, 3 or several of them.
        molecules: Validation molecules with it.
        predicted: Mean predicted probability over them.
        observed: Share of positives among those with a known label; None without any.
        smiles: The block.
        svg: Its drawing; empty where it cannot be drawn.
    """

    target: str
    positions: tuple[int, ...]
    molecules: int
    predicted: float
    observed: float | None
    smiles: str
    svg: str


def wrong_molecules(predictions: Predictions, molecules_dir: Path, targets: Sequence[str]) -> list[WrongMolecule]:
    """Find the negatives of highest and the positives of lowest probability.

    Args:
        predictions: Of the validation molecules.
        molecules_dir: Folder written by ParquetMerge.
        targets: Target names.

    Returns:
        By target: negatives first, the most confident first; up to `WRONG_PER_TARGET` of each.
    """
    ids, labels, probabilities = predictions.ids, predictions.labels, predictions.probabilities
    chosen: list[tuple[int, int]] = []
    for index in range(len(targets)):
        for label in (LABEL_NEGATIVE, LABEL_POSITIVE):
            rows = np.flatnonzero(labels[:, index] == label)
            distance = np.abs(probabilities[rows, index] - label)
            best = rows[np.argsort(-distance, kind="stable")[:WRONG_PER_TARGET]]
            chosen += [(int(row), index) for row in best]
    smiles = validation_smiles(molecules_dir, ids[np.array([row for row, _ in chosen], np.int64)])
    return [
        WrongMolecule(
            targets[index],
            int(labels[row, index]),
            float(probabilities[row, index]),
            smiles.get(int(ids[row]), ""),
            draw_smiles(smiles.get(int(ids[row]), "")),
        )
        for row, index in chosen
    ]


def driving_blocks(predictions: Predictions, molecules_dir: Path, targets: Sequence[str]) -> list[DrivingBlock]:
    """Find the building blocks of highest mean predicted probability among the validation molecules.

    Args:
        predictions: Of the validation molecules.
        molecules_dir: Folder written by ParquetMerge.
        targets: Target names.

    Returns:
        Up to `BLOCKS_PER_TARGET` a target, the highest first; blocks in at least `MIN_MOLECULES_PER_BLOCK` molecules
        count.
    """
    ids, labels, probabilities = predictions.ids, predictions.labels, predictions.probabilities
    blocks = pq.read_table(molecules_dir / BLOCKS_FILE, columns=["smiles"])["smiles"]
    block_ids = MoleculeBlocks.read(molecules_dir, Subset.VALIDATION).of(ids)
    found: list[DrivingBlock] = []
    for index, target in enumerate(targets):
        means = _block_means(block_ids, probabilities[:, index], labels[:, index])
        means.sort(key=lambda part: (-part[2], part[0]))
        for block, count, mean, observed in means[:BLOCKS_PER_TARGET]:
            positions = tuple(int(i) + 1 for i in np.flatnonzero((block_ids == block).any(axis=0)))
            text = blocks[block].as_py()
            found.append(DrivingBlock(target, positions, count, mean, observed, text, draw_smiles(text)))
    return found


def _block_means(
    block_ids: BlockIds, probabilities: NDArray[np.float32], labels: NDArray[np.int8]
) -> list[tuple[int, int, float, float | None]]:
    """Block, molecules with it at any position, mean prediction, share of positives; of blocks in enough molecules."""
    # Molecules, sum of predictions, positives, known: a row each.
    sums = np.zeros((4, int(block_ids.max(initial=NO_BLOCK)) + 1))
    for start in range(0, len(block_ids), _ROWS_AT_A_TIME):
        part = slice(start, start + _ROWS_AT_A_TIME)
        ordered = np.sort(block_ids[part], axis=1)
        # A molecule that holds a block twice counts once.
        first = np.concatenate([np.ones((len(ordered), 1), bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
        rows, columns = np.nonzero(first & (ordered != NO_BLOCK))
        blocks, known = ordered[rows, columns], labels[part][rows]
        weights = (None, probabilities[part][rows], known == LABEL_POSITIVE, known != LABEL_UNKNOWN)
        sums += [np.bincount(blocks, weight, minlength=sums.shape[1]) for weight in weights]
    counts, predicted, positives, measured = sums
    return [
        (
            int(i),
            int(counts[i]),
            float(predicted[i] / counts[i]),
            float(positives[i] / measured[i]) if measured[i] else None,
        )
        for i in np.flatnonzero(counts >= MIN_MOLECULES_PER_BLOCK)
    ]


def validation_smiles(molecules_dir: Path, ids: NDArray[np.int64]) -> dict[int, str]:
    """The SMILES of some validation molecules by their ids.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        ids: int64 [n].
    """
    found: dict[int, str] = {}
    for shard in list_shards(molecules_dir):
        if shard.split == Subset.VALIDATION.split:
            for batch in read_rows(shard.path, [MOLECULE_ID, SMILES]):
                rows = batch.filter(pa.array(np.isin(batch.column(MOLECULE_ID).to_numpy(), ids)))
                found.update(zip(rows.column(0).to_pylist(), rows.column(1).to_pylist(), strict=True))
    return found
