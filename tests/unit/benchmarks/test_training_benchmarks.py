"""The plain model measured beside ours computes the same; the results table means what it says."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks.plain_model import build_plain_model, plain_step
from benchmarks.results import table
from benchmarks.sample_data import finished
from benchmarks.transformer_batches import N_TARGETS, VOCAB_SIZE, draw_sample, matrix_flops
from trainer_module.losses.multi_label_loss import MultiLabelLoss
from trainer_module.model import Belka
from trainer_module.settings import ModelSettings

SETTINGS = ModelSettings(depth=8, num_heads=2, num_layers=2, max_length=112, dropout_rate=0.0)


def test_the_plain_model_computes_what_ours_does() -> None:
    keras.utils.set_random_seed(0)
    ours = Belka(mode="clf", settings=SETTINGS, vocab_size=VOCAB_SIZE, n_targets=N_TARGETS)
    plain = build_plain_model(SETTINGS, vocab_size=VOCAB_SIZE, n_targets=N_TARGETS)
    plain.set_weights(ours.get_weights())
    sample = draw_sample(32, SETTINGS.max_length)
    expected = ours({"tokens": sample.tokens}).numpy()
    np.testing.assert_allclose(plain(sample.tokens), expected, atol=1e-5)
    loss = plain_step(plain, clip_norm=1.0)(sample.tokens, sample.labels)
    assert float(loss) == pytest.approx(float(MultiLabelLoss()(sample.labels, expected)), rel=1e-5)
    assert not np.allclose(plain(sample.tokens), expected, atol=1e-5), "the step changed nothing"


def test_batches_hold_every_molecule_at_one_of_few_lengths() -> None:
    sample = draw_sample(200, 128)
    batches = sample.batches(32, (64, 80))
    assert {tokens.shape[1] for tokens, _ in batches} <= {64, 80, 128}
    kept = sorted(row[row > 0].tobytes() for tokens, _ in batches for row in tokens.numpy() if row.any())
    assert kept == sorted(row[row > 0].tobytes() for row in sample.tokens)


def test_arithmetic_of_a_molecule_by_hand() -> None:
    one_layer = ModelSettings(depth=2, num_heads=1, num_layers=1)
    # 3 tokens: q, k, v and output 4 x 2x2, feed-forward 2 x 2x4, scores and values 2 x 3x2; multiply and add
    assert matrix_flops(one_layer, 3) == 2 * 3 * (16 + 16 + 12)


def test_the_table_averages_seeds_and_groups() -> None:
    def row(model: str, seed: int, shared: float, other: float) -> dict[str, object]:
        return {"model": model, "seed": seed, "last": {"A/shared": shared, "A/non_shared": other}}

    lines = table([row("x", 1, 0.5, 0.3), row("x", 2, 0.7, 0.5), row("y", 1, 0.9, 0.9)]).splitlines()
    assert lines[2] == "| y | last | 1 | 0.9000 | 0.9000 | 0.9000 | 0.9000 | 0.9000 |"
    assert lines[3].startswith("| x | last | 2 | 0.5000 ± 0.1414 | 0.6000 ± 0.1414 | 0.4000 ± 0.1414 |")


def test_finished_models_are_known_by_name_and_seed(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    assert finished(results) == set()
    results.write_text(json.dumps({"model": "x", "seed": 2}) + "\n")
    assert finished(results) == {("x", 2)}
