"""Ladders: which molecules stand on which rung, and what is measured there."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from sklearn.metrics import average_precision_score, roc_auc_score

from belka import contract as dc
from components.affinity_evaluator.block_ids import MoleculeBlocks
from components.affinity_evaluator.block_similarity import nearest_training_blocks
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.ladder import LADDERS, measure_ladders
from components.affinity_evaluator.predictions import Predictions
from components.affinity_evaluator.report.ladder_figure import ladder_figure
from components.affinity_evaluator.units import NewBlocks

N = 600
TARGETS = ("BRD4", "HSA")
GENERATOR = np.random.default_rng(5)
LABELS = GENERATOR.choice([0, 1, 2], (N, 2), p=[0.5, 0.3, 0.2]).astype(np.int8)
PROBABILITIES = np.clip(LABELS % 2 * 0.2 + GENERATOR.random((N, 2)) * 0.7, 0, 1).astype(np.float32)
# Blocks 0 to 29 are new, 30 to 59 are not.
NEAREST = np.concatenate([np.linspace(0.1, 0.98, 30), np.ones(30)])
NEW = GENERATOR.integers(0, 4, N)
BLOCKS = np.where(np.arange(3) < NEW[:, None], GENERATOR.integers(0, 30, (N, 3)), GENERATOR.integers(30, 60, (N, 3)))
BLOCKS = BLOCKS.astype(np.int32)
BLOCKS[:50] = -1
NEW_BLOCKS = NewBlocks(MoleculeBlocks(np.arange(N), BLOCKS), np.arange(60) < 30)
PREDICTIONS = Predictions(np.arange(N), np.ones(N, np.int8), LABELS, PROBABILITIES)


def test_each_rung_is_measured_on_its_own_molecules() -> None:
    found = measure_ladders(PREDICTIONS, TARGETS, NEW_BLOCKS, NEAREST, BootstrapSettings(samples=40))
    has_blocks = np.arange(N) >= 50
    number = np.array([len({block for block in row if 0 <= block < 30}) for row in BLOCKS.tolist()])
    least = np.array([min((NEAREST[block] for block in row if block >= 0), default=0) for row in BLOCKS.tolist()])
    expected = {
        ("new_blocks", "none_new"): has_blocks & (number == 0),
        ("new_blocks", "one_new"): number == 1,
        ("new_blocks", "two_new"): number == 2,
        ("new_blocks", "three_new"): number == 3,
        ("new_blocks", "other_library"): ~has_blocks,
        ("nearest_block", "known"): has_blocks & (number == 0),
        ("nearest_block", "same_cluster"): (number > 0) & (least >= 0.6),
        ("nearest_block", "other_cluster"): (number > 0) & (least >= 0.4) & (least < 0.6),
        ("nearest_block", "far"): (number > 0) & (least < 0.4),
    }
    assert [(one.ladder, one.name, one.target) for one in found] == [
        (*key, target) for key in expected for target in TARGETS
    ]
    for one in found:
        index = TARGETS.index(one.target)
        rows = expected[one.ladder, one.name] & (LABELS[:, index] != dc.LABEL_UNKNOWN)
        assert (one.n, one.positives) == (rows.sum(), (LABELS[rows, index] == 1).sum())
        scores = LABELS[rows, index], PROBABILITIES[rows, index]
        assert one.average_precision == pytest.approx(average_precision_score(*scores), abs=1e-12)
        assert one.roc_auc == pytest.approx(roc_auc_score(*scores), abs=1e-12)
        for interval, value in (
            (one.average_precision_interval, one.average_precision),
            (one.roc_auc_interval, one.roc_auc),
        ):
            assert interval is not None
            assert value is not None
            assert interval.low < value < interval.high


def test_a_rung_without_molecules_is_left_out_and_one_without_both_labels_says_nothing() -> None:
    few = PREDICTIONS.where((np.arange(N) >= 50) & (NEW == 0) & (LABELS[:, 0] == 0))
    found = measure_ladders(few, TARGETS, NEW_BLOCKS, NEAREST, BootstrapSettings(samples=10))
    assert {(one.ladder, one.name) for one in found} == {("new_blocks", "none_new"), ("nearest_block", "known")}
    first = found[0]
    assert (first.average_precision, first.roc_auc, first.average_precision_interval) == (None, None, None)
    assert first.n > 0
    assert ladder_figure("new_blocks", found, TARGETS).count("<svg") == len(TARGETS)


def test_the_figure_names_targets_and_rungs() -> None:
    found = measure_ladders(PREDICTIONS, TARGETS, NEW_BLOCKS, NEAREST, BootstrapSettings(samples=10))
    drawn = "".join(ladder_figure(ladder, found, TARGETS) for ladder, _ in LADDERS)
    for text in (*TARGETS, "another", "library", "below", "share of binders", "shared", "non-shared"):
        assert f">{text}</text>" in drawn


def test_the_nearest_block_is_one_of_training_and_salts_do_not_count(tmp_path: Path) -> None:
    smiles = ["NCCc1ccccc1", "NCCc1ccc(F)cc1.Cl", "NCCc1ccc(F)cc1", "NC1CCCC1", "NC1CCCC1"]
    is_new = np.array([False, True, False, True, False])
    pq.write_table(pa.table({"smiles": smiles}), tmp_path / dc.BLOCKS_FILE)
    # The last block and the third one stand in molecules of the test alone.
    for split, blocks in (("train", 0), ("test", 4), ("test", 2)):
        folder = tmp_path / dc.split_folder(split)
        folder.mkdir(exist_ok=True)
        columns = {name: pa.array([blocks], pa.int32()) for name in dc.BLOCK_IDS}
        pq.write_table(pa.table(columns), folder / f"molecules-0000{blocks}.parquet")
    found = nearest_training_blocks(tmp_path, is_new)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048, includeChirality=True)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(text.split(".")[0])) for text in smiles]
    expected = [DataStructs.TanimotoSimilarity(prints[0], prints[number]) for number in (1, 3)]
    np.testing.assert_allclose(found, [1, expected[0], 1, expected[1], 1], atol=1e-12)
    assert nearest_training_blocks(tmp_path, np.zeros(5, np.bool_)).tolist() == [1.0] * 5
