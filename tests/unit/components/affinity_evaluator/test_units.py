"""What a bootstrap draws: new blocks, so that intervals hold for other blocks, or molecules where no block is new."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from belka import contract as dc
from components.affinity_evaluator import units as module
from components.affinity_evaluator.block_ids import MoleculeBlocks
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.measurement import Measuring
from components.affinity_evaluator.predictions import PredictionsWriter
from components.affinity_evaluator.units import NewBlocks, ResampledUnit, Units

NONE = -1


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_molecule_counts_as_often_as_the_product_of_its_new_blocks() -> None:
    blocks = np.array(
        [[7, NONE, NONE], [7, 3, NONE], [3, NONE, 7], [NONE, 9, 3], [5, NONE, NONE], [NONE, 6, 9]], np.int32
    )
    units = Units.of_blocks(blocks, rng())
    assert units.told == ResampledUnit("blocks", 5)
    weights = units.draw(rng(4), 50)[units.of]
    generator, names = rng(4), [3, 5, 6, 7, 9]
    for column in range(50):
        counts = dict(zip(names, np.bincount(generator.integers(5, size=5), minlength=5), strict=True))
        expected = [np.prod([counts[block] for block in row if block != NONE]) for row in blocks.tolist()]
        assert weights[:, column].tolist() == expected
    assert units.n == 5  # the second and the third molecule are one unit


def test_molecules_without_a_new_block_are_drawn_by_themselves() -> None:
    blocks = np.full((9, 3), NONE, np.int32)
    blocks[:5, 0] = [1, 2, 3, 4, 5]
    units = Units.of_blocks(blocks, rng())
    weights = units.draw(rng(1), 200)[units.of]
    np.testing.assert_array_equal(weights[:5].sum(axis=0), 5)
    np.testing.assert_array_equal(weights[5:].sum(axis=0), 4)
    assert len({tuple(row) for row in weights.tolist()}) == 9


@pytest.mark.parametrize("n_blocks", [0, 1, 4])
def test_few_blocks_are_no_sample_of_blocks(n_blocks: int) -> None:
    blocks = np.full((20, 3), NONE, np.int32)
    if n_blocks:
        blocks[:, 0] = np.arange(20) % n_blocks
    assert Units.of_blocks(blocks, rng()).told == ResampledUnit("molecules", 20)


def test_many_molecules_are_dealt_to_groups_of_equal_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MOLECULE_UNITS", 50)
    units = Units.of_molecules(1000, rng())
    assert (units.n, units.told) == (50, ResampledUnit("molecules", 1000))
    assert set(np.bincount(units.of)) == {20}
    values = rng(5).normal(size=1000)
    means = np.bincount(units.of, values) @ units.draw(rng(2), 3000) / 1000
    assert means.std() == pytest.approx(1 / np.sqrt(1000), rel=0.25)


def test_new_blocks_are_those_held_out_each_once(tmp_path: Path) -> None:
    (tmp_path / "Split-validation").mkdir()
    blocks = pa.table(
        {
            dc.MOLECULE_ID: [4, 9, 12],
            "block1_id": pa.array([0, 2, None], pa.int32()),
            "block2_id": pa.array([1, 2, None], pa.int32()),
            "block3_id": pa.array([2, 1, None], pa.int32()),
        }
    )
    pq.write_table(blocks, tmp_path / "Split-validation" / "molecules-00000.parquet")
    pq.write_table(
        pa.table({"smiles": ["C", "N", "O"], "in_validation": [False, True, True]}), tmp_path / dc.BLOCKS_FILE
    )
    found = NewBlocks.read(tmp_path).of(np.array([12, 9, 5, 4]))
    assert found.tolist() == [[NONE] * 3, [2, NONE, 1], [NONE] * 3, [NONE, 1, 2]]


def test_blocks_of_molecules_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "Split-train").mkdir()
    table = pa.table(
        {
            dc.MOLECULE_ID: [30, 10, 20],
            **{name: pa.array([3, 1, 2], pa.int32()) for name in dc.BLOCK_IDS},
        }
    )
    pq.write_table(table, tmp_path / "Split-train" / "molecules-00000.parquet")
    for wanted in (None, np.array([20, 30, 99])):
        found = MoleculeBlocks.read(tmp_path, dc.Subset.TRAIN, wanted)
        assert found.of(np.array([30, 99, 20]))[:, 0].tolist() == [3, NONE, 2]
    assert MoleculeBlocks.read(tmp_path, dc.Subset.TRAIN, np.array([20])).molecules.tolist() == [20]


def draw_library(seed: int, n_blocks: int) -> tuple[NDArray[np.int32], NDArray[np.int8], NDArray[np.float32]]:
    """Molecules of one new block each, 100 a block; how many bind and how well they are ranked depends on the block."""
    generator = rng(seed)
    block = np.repeat(np.arange(n_blocks, dtype=np.int32), 100)
    labels = (generator.random(block.size) < generator.beta(1, 2, n_blocks)[block]).astype(np.int8)
    skill = generator.normal(1.0, 1.0, n_blocks)[block]
    shift = generator.normal(0.0, 1.0, n_blocks)[block]
    scores = 1 / (1 + np.exp(-(skill * labels + shift + generator.normal(size=block.size))))
    return block, labels, scores.astype(np.float32)


def test_intervals_of_blocks_cover_what_other_blocks_give_where_those_of_molecules_do_not(tmp_path: Path) -> None:
    """30 draws of 30 new blocks with effects of their own; the truth is the average precision over 5,000 blocks."""
    _, labels, scores = draw_library(999, 5_000)
    truth = average_precision_score(labels, scores)
    covered = {"blocks": 0, "molecules": 0}
    for seed in range(30):
        block, labels, scores = draw_library(seed, 30)
        ids = np.arange(len(labels))
        with PredictionsWriter(tmp_path / "predictions.parquet", 1) as writer:
            writer.write(ids, np.ones(len(ids), np.int8), labels, scores[:, None])
        columns = np.full((len(ids), 3), NONE, np.int32)
        columns[:, 1] = block
        new = NewBlocks(MoleculeBlocks(ids, columns), np.ones(30, np.bool_))
        for kind, new_blocks in (("blocks", new), ("molecules", None)):
            measuring = Measuring(("HSA",), BootstrapSettings(100), new_blocks)
            found = measuring.measure(tmp_path / "predictions.parquet")
            assert found.units["non_shared"].kind == kind
            assert found.mean_interval is not None
            covered[kind] += found.mean_interval.low <= truth <= found.mean_interval.high
    assert covered["blocks"] >= 25, covered
    assert covered["molecules"] <= 18, covered
