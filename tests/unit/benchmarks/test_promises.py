"""The benchmark of promised lists: which rows are held out, and what a list is compared with."""

import numpy as np
import pyarrow as pa

from belka.contract import RAW_BLOCKS, RAW_LABEL, RAW_PROTEIN, RAW_SMILES
from belka.predict.selection import NO_BLOCK
from benchmarks.promises import Measured, kept_promises, reliability, score_held_out


def made_up(n: int = 2_000) -> Measured:
    generator = np.random.default_rng(3)
    blocks = np.full((n, 3), NO_BLOCK, np.int32)
    blocks[:, 1] = generator.integers(0, 60, n)
    blocks[:100, 2] = generator.integers(60, 70, 100)
    scores = generator.random(n).astype(np.float32)
    return Measured(scores, generator.random(n) < scores, blocks)


def test_halves_share_no_block() -> None:
    measured = made_up()
    first, second = measured.halves(np.random.default_rng(1))
    shared = set(np.unique(first.new_blocks)) & set(np.unique(second.new_blocks))
    assert shared <= {NO_BLOCK}
    assert 1_700 < first.scores.size + second.scores.size < 2_000


def test_lists_are_compared_with_the_longest_that_keeps_the_promise() -> None:
    for share, conformal, rows, best in kept_promises(made_up(), 0.7, 5, 1):
        assert 0.6 < share <= 1
        assert 0.6 < conformal < 0.8
        assert 0 <= rows < 1_200
        assert 200 < best < 1_200


def test_scores_that_are_probabilities_need_no_calibration() -> None:
    found = reliability(made_up(), "A")
    assert found.before is not None
    assert found.after is not None
    assert found.before.expected_error < 0.05
    assert abs(found.after.log_loss - found.before.log_loss) < 0.01


def test_no_row_with_a_held_out_block_is_learnt_from() -> None:
    """Labels that follow the block alone: a model that saw it would rank perfectly."""
    generator = np.random.default_rng(2)
    blocks = [f"{'C' * (1 + i % 7)}N{'C' * (1 + i // 7)}" for i in range(40)]
    codes = generator.integers(0, 40, (600, 3))
    raw = pa.table(
        {
            **{name: [blocks[code] for code in column] for name, column in zip(RAW_BLOCKS, codes.T, strict=True)},
            RAW_SMILES: [".".join(blocks[code] for code in row) + ".[Dy]" for row in codes],
            RAW_PROTEIN: np.where(np.arange(600) % 2, "A", "B"),
            RAW_LABEL: generator.integers(0, 2, 600),
        }
    )
    found = score_held_out(raw, 1)
    assert list(found) == ["A", "B"]
    held = np.unique(np.concatenate([one.new_blocks.ravel() for one in found.values()]))
    assert held.size - 1 == 4  # 12% of 40
    # Blocks are numbered in the order of their names.
    order = np.argsort(np.argsort(blocks))
    rows = np.isin(order[codes], held[1:]).any(axis=1)
    assert sum(one.scores.size for one in found.values()) == rows.sum()
    assert all((one.new_blocks != NO_BLOCK).any(axis=1).all() for one in found.values())
