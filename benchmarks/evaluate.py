"""Evaluation at full size: `python -m benchmarks.evaluate --molecules 8600000`, random labels, scores and blocks."""

import argparse
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from belka.contract import (
    BLOCK_IDS,
    BLOCKS_FILE,
    DEFAULT_TARGETS,
    LABEL_UNKNOWN,
    MOLECULE_ID,
    PREDICTIONS_FILE,
    SplitGroup,
    Subset,
    split_folder,
)
from belka.models.calibration import Calibration
from benchmarks.measurement import Measurement, measure
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.ladder import measure_ladders
from components.affinity_evaluator.measurement import Measuring
from components.affinity_evaluator.predictions import PredictionsWriter, read_predictions
from components.affinity_evaluator.reliability import measure_reliability
from components.affinity_evaluator.report.report import precision_recall_figure
from components.affinity_evaluator.report.structures import driving_blocks
from components.affinity_evaluator.units import NewBlocks

# As in the full library: building blocks, and those that validation holds out.
N_BLOCKS: Final = 1_145
N_NEW_BLOCKS: Final = 34
SHARED_SHARE: Final = 0.2
UNKNOWN_SHARE: Final = 0.02
_ROWS: Final = 131_072


def write_predictions(folder: Path, molecules: int, positives: float, seed: int = 5) -> None:
    """Write predictions.parquet and a molecules table whose labels, scores and blocks are random.

    Args:
        folder: Receives both.
        molecules: How many.
        positives: Share of labels that are 1, before some are made unknown.
        seed: Same seed, same files.
    """
    generator = np.random.default_rng(seed)
    new = generator.choice(N_BLOCKS, N_NEW_BLOCKS, replace=False)
    is_new = np.isin(np.arange(N_BLOCKS), new)
    shard = folder / split_folder(Subset.VALIDATION.split) / "molecules-00000.parquet"
    shard.parent.mkdir(parents=True)
    smiles = ["C" * (block % 50 + 1) + "N" for block in range(N_BLOCKS)]
    pq.write_table(pa.table({"smiles": smiles, "in_validation": is_new}), folder / BLOCKS_FILE)
    n_targets = len(DEFAULT_TARGETS)
    schema = pa.schema([(MOLECULE_ID, pa.int64()), *((name, pa.int32()) for name in BLOCK_IDS)])
    with (
        PredictionsWriter(folder / PREDICTIONS_FILE, n_targets) as writer,
        pq.ParquetWriter(shard, schema) as table,
    ):
        for start in range(0, molecules, _ROWS):
            ids = np.arange(start, min(start + _ROWS, molecules))
            labels = (generator.random((ids.size, n_targets)) < positives).astype(np.int8)
            scores = (0.8 * generator.random(labels.shape) + 0.2 * labels).astype(np.float32)
            labels[generator.random(labels.shape) < UNKNOWN_SHARE] = LABEL_UNKNOWN
            groups = (generator.random(ids.size) >= SHARED_SHARE).astype(np.int8)
            blocks = generator.choice(np.flatnonzero(~is_new), (ids.size, 3)).astype(np.int32)
            rows = np.flatnonzero(groups == SplitGroup.NON_SHARED)
            blocks[rows, generator.integers(0, 3, rows.size)] = generator.choice(new, rows.size)
            writer.write(ids, groups, labels.ravel(), scores)
            table.write_table(pa.table([ids, *blocks.T.copy()], schema=schema))


def measure_evaluation(folder: Path, n_samples: int) -> list[Measurement]:
    """Time and peak memory of what an evaluation does with the predictions of one model.

    Args:
        folder: From `write_predictions`.
        n_samples: Resamples behind each interval.
    """
    file, targets = folder / PREDICTIONS_FILE, DEFAULT_TARGETS
    n = pq.read_metadata(file).num_rows
    blocks, new_blocks = measure("block ids", n, "molecules", lambda: NewBlocks.read(folder))
    measuring = Measuring(targets, BootstrapSettings(n_samples), new_blocks)
    metrics, measured = measure(f"metrics, {n_samples} resamples", n, "molecules", lambda: measuring.measure(file))
    predictions = read_predictions(file, len(targets))
    figure, _ = measure(
        "figure of precision", n, "molecules", lambda: precision_recall_figure(measured.slices, predictions, targets)
    )
    driving, _ = measure("blocks that drive", n, "molecules", lambda: driving_blocks(predictions, folder, targets))
    nearest = np.linspace(0.2, 1.0, new_blocks.is_new.size)
    ladders, _ = measure(
        "ladders",
        n,
        "molecules",
        lambda: measure_ladders(predictions, targets, new_blocks, nearest, measuring.bootstrap),
    )
    line = Calibration((1.5,) * len(targets), (-0.5,) * len(targets), (n,) * len(targets))
    reliability, _ = measure(
        "reliability",
        n,
        "molecules",
        lambda: measure_reliability(predictions, targets, line, new_blocks.of(predictions.ids), 0),
    )
    return [blocks, metrics, figure, driving, ladders, reliability]


def main() -> None:
    """Print a line for each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--molecules", type=int, default=1_000_000)
    parser.add_argument("--positives", type=float, default=0.005, help="Share of labels that are 1.")
    parser.add_argument("--samples", type=int, default=1000, help="Resamples behind each interval.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_predictions(Path(name), arguments.molecules, arguments.positives)
        for part in measure_evaluation(Path(name), arguments.samples):
            print(f"{part.name}: {part.seconds:.1f} s, peak {part.peak_bytes / 1e9:.2f} GB")  # noqa: T201 - its purpose


if __name__ == "__main__":
    main()
