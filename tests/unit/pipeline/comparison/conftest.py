"""Finished runs made by hand: a molecules table, predictions and what an evaluation tells."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from belka import contract as dc
from belka.molecules import list_shards
from components.affinity_evaluator.predictions import PredictionsWriter
from pipeline.comparison.finished_run import FinishedRun
from pipeline.config.files import load_config

BLOCKS: Final = tuple(["C" * n + "N" for n in range(1, 13)])
Molecule = tuple[str, int, tuple[int, int, int], tuple[int, int], tuple[float, float]]


def make_run(
    folder: Path,
    molecules: list[Molecule],
    new_blocks: set[int],
    *,
    blocks: Sequence[str] = BLOCKS,
    targets: tuple[str, ...] = ("HSA", "sEH"),
    settings: tuple[str, ...] = (),
    name: str = "",
) -> FinishedRun:
    """Write a run of these validation molecules: SMILES, split group, blocks, labels, probabilities."""
    split = folder / "molecules" / dc.split_folder("validation")
    split.mkdir(parents=True)
    columns = {column: pa.array([row[2][i] for row in molecules], pa.int32()) for i, column in enumerate(dc.BLOCK_IDS)}
    ids = np.arange(1000, 1000 + len(molecules))
    smiles = [row[0] for row in molecules]
    pq.write_table(pa.table({dc.MOLECULE_ID: ids, dc.SMILES: smiles, **columns}), split / "molecules-00000.parquet")
    assert list_shards(folder / "molecules")
    is_new = [i in new_blocks for i in range(len(blocks))]
    catalogue = {"block_id": pa.array(range(len(blocks)), pa.int32()), "smiles": list(blocks), "in_validation": is_new}
    pq.write_table(pa.table(catalogue), folder / "molecules" / dc.BLOCKS_FILE)
    with PredictionsWriter(folder / dc.PREDICTIONS_FILE, len(targets)) as writer:
        groups = np.array([row[1] for row in molecules], np.int8)
        labels = np.array([row[3] for row in molecules], np.int8)
        writer.write(ids, groups, labels.ravel(), np.array([row[4] for row in molecules], np.float32))
    overrides = ["evaluation.bootstrap_samples=200", f"data.output_dir={folder}", *settings]
    evaluation: dict[str, Any] = {
        "molecules": len(molecules),
        "mean_average_precision": 0.5,
        "mean_interval": None,
        "slices": [{"target": target} for target in targets for _ in range(2)],
        "verdict": {"blessed": True, "reasons": []},
        "baselines": {
            "models": {"blocks": {"gains": [{"name": "mean", "value": 0.125, "interval": {"low": -0.25, "high": 0.5}}]}}
        },
    }
    digest = json.dumps([smiles, sorted(new_blocks)])
    return FinishedRun(
        name=name or folder.name,
        output_dir=folder,
        config=load_config(None, overrides),
        evaluation=evaluation,
        evaluated="2026-11-27T17:00:00+00:00",
        code="0.1.0+sources.aa",
        predictions=folder / dc.PREDICTIONS_FILE,
        molecules_dir=folder / "molecules",
        molecules_digest=digest,
        histories={"clf": [{"epoch": 1, "loss": 0.5, "val_loss": 0.4}, {"epoch": 2, "loss": 0.3, "val_loss": 0.35}]},
    )


def make_molecules(n: int, seed: int = 1, quality: float = 0.3) -> list[Molecule]:
    """Molecules of blocks 0 to 11, of which those from 6 on are new; labels depend on the seed 1 alone."""
    truth, noise = np.random.default_rng(1), np.random.default_rng(seed)
    rows: list[Molecule] = []
    for i in range(n):
        first, second, third = (int(block) for block in truth.integers(0, 12, 3))
        group = dc.SplitGroup.NON_SHARED if max(first, second, third) >= 6 else dc.SplitGroup.SHARED
        one, two = (int(label) for label in truth.integers(0, 2, 2))
        scores = tuple(float(label * quality + noise.random() * (1 - quality)) for label in (one, two))
        rows.append(("C" * (i + 1), int(group), (first, second, third), (one, two), (scores[0], scores[1])))
    return rows


@pytest.fixture(scope="session")
def run_maker() -> Callable[..., FinishedRun]:
    return make_run


@pytest.fixture(scope="session")
def molecules_maker() -> Callable[..., list[Molecule]]:
    return make_molecules
