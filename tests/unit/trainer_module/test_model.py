"""The whole model: size, padding, heads, branch."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer_module.model import Belka
from trainer_module.settings import MODES, Mode, ModelSettings

GENERATOR = np.random.default_rng(0)
TOKENS = GENERATOR.integers(2, 43, size=(4, 20)).astype(np.int32)
TOKENS[1, 12:] = 0
PACKED = GENERATOR.integers(0, 256, size=(4, 256)).astype(np.uint8)
SMALL = ModelSettings(depth=8, num_heads=2, num_layers=2)


def small_model(mode: Mode, settings: ModelSettings = SMALL) -> Belka:
    return Belka(mode=mode, settings=settings, vocab_size=43, n_targets=3)


def test_the_reference_model_has_153027_parameters() -> None:
    assert Belka(mode="clf", settings=ModelSettings(), vocab_size=43, n_targets=3).count_params() == 153_027


@pytest.mark.parametrize(("mode", "shape"), [("mlm", (4, 20, 43)), ("fps", (4, 2048)), ("clf", (4, 3))])
def test_each_head_gives_float32_probabilities(mode: Mode, shape: tuple[int, ...]) -> None:
    probabilities = small_model(mode)({"tokens": TOKENS}).numpy()
    assert probabilities.shape == shape
    assert probabilities.dtype == np.float32
    assert ((probabilities > 0) & (probabilities < 1)).all()
    if mode == "mlm":
        np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, atol=1e-5)


def test_descriptors_are_any_numbers() -> None:
    model = small_model("mtr")
    kernel, bias = model.head.get_weights()
    model.head.set_weights([kernel * 100, bias - 7])
    values = model({"tokens": TOKENS}).numpy()
    assert (values.shape, values.dtype) == ((4, 189), np.float32)
    assert values.min() < -1
    assert values.max() > 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("padding", [1, 44, 108])
def test_predictions_do_not_depend_on_the_padding(mode: Mode, padding: int) -> None:
    model = small_model(mode)
    expected = model({"tokens": TOKENS}).numpy()
    padded = model({"tokens": np.pad(TOKENS, ((0, 0), (0, padding)))}).numpy()
    if mode == "mlm":
        padded = np.where((TOKENS != 0)[:, :, None], padded[:, :20], 0)
        expected = np.where((TOKENS != 0)[:, :, None], expected, 0)
    np.testing.assert_allclose(padded, expected, atol=1e-6)


def test_an_empty_molecule_is_finite() -> None:
    assert np.isfinite(small_model("clf")({"tokens": np.zeros((2, 5), np.int32)})).all()


@pytest.mark.parametrize("hidden", [0, 5])
def test_the_branch_adds_logits_of_the_fingerprint(hidden: int) -> None:
    model = small_model("clf", SMALL.model_copy(update={"ecfp_branch": True, "ecfp_hidden": hidden}))
    model.wide_head.set_weights([np.zeros_like(weight) for weight in model.wide_head.get_weights()])
    without = model({"tokens": TOKENS, "ecfp": PACKED}).numpy()
    model.wide_head.set_weights(
        [GENERATOR.normal(size=weight.shape) * 0.05 for weight in model.wide_head.get_weights()]
    )
    wide = np.unpackbits(PACKED, axis=1).astype(np.float32)
    if model.wide_hidden is not None:
        kernel, bias = model.wide_hidden.get_weights()
        wide = np.maximum(wide @ kernel + bias, 0)
    logits = np.log(without / (1 - without)) + wide @ model.wide_head.get_weights()[0]
    predicted = model({"tokens": TOKENS, "ecfp": PACKED}).numpy()
    np.testing.assert_allclose(predicted, 1 / (1 + np.exp(-logits)), atol=1e-4)


def test_the_branch_is_penalised_and_the_rest_is_not() -> None:
    model = small_model("clf", SMALL.model_copy(update={"ecfp_branch": True, "ecfp_l2": 0.5}))
    kernel = model.wide_head.get_weights()[0]
    assert float(tf.add_n(model.losses)) == pytest.approx(0.5 * (kernel**2).sum(), rel=1e-5)
    assert not small_model("clf").losses


def test_a_saved_and_loaded_model_predicts_the_same(tmp_path: Path) -> None:
    model = small_model("clf")
    expected = model({"tokens": TOKENS}).numpy()
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "model.keras")({"tokens": TOKENS}), expected)


def test_mixed_precision_keeps_probabilities_and_weights_in_float32() -> None:
    model = Belka(mode="clf", settings=SMALL, vocab_size=43, n_targets=3, dtype="mixed_bfloat16")
    assert {weight.dtype for weight in model.weights} == {"float32"}
    reference = Belka(mode="clf", settings=SMALL, vocab_size=43, n_targets=3)
    reference.set_weights(model.get_weights())
    probabilities = model({"tokens": TOKENS})
    assert probabilities.dtype == tf.float32
    np.testing.assert_allclose(probabilities, reference({"tokens": TOKENS}), atol=0.02)
