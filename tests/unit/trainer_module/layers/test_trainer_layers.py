"""Layers: hand-computed values, Keras as an oracle, saving and loading."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer_module.layers.embeddings import Embeddings
from trainer_module.layers.encoder import Encoder
from trainer_module.layers.encoder_layer import EncoderLayer
from trainer_module.layers.encodings import Encodings
from trainer_module.layers.feed_forward import FeedForward
from trainer_module.layers.seeded_dropout import SeededDropout
from trainer_module.layers.self_attention import SelfAttention
from trainer_module.layers.unpack_bits import UnpackBits

GENERATOR = np.random.default_rng(0)
HIDDEN = GENERATOR.normal(size=(3, 7, 8)).astype(np.float32)
TOKENS = GENERATOR.integers(2, 11, size=(3, 7)).astype(np.int32)
MASK = np.arange(7) < np.array([[7], [4], [1]])


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (lambda: Encodings(depth=8, max_length=9), HIDDEN),
        (lambda: Embeddings(vocab_size=11, depth=8), TOKENS),
        (lambda: FeedForward(depth=8), HIDDEN),
        (lambda: SelfAttention(depth=8, num_heads=2), HIDDEN),
        (lambda: EncoderLayer(depth=8, num_heads=2), HIDDEN),
        (lambda: Encoder(vocab_size=11, depth=8, num_heads=2, num_layers=2, max_length=9), TOKENS),
        (lambda: SeededDropout(0.5), HIDDEN),
        (lambda: UnpackBits(dtype="float32"), TOKENS.astype(np.uint8)),
    ],
    ids=["encodings", "embeddings", "feed_forward", "self_attention", "encoder_layer", "encoder", "dropout", "unpack"],
)
def test_a_saved_and_loaded_layer_gives_the_same_output(
    make: Callable[[], keras.layers.Layer], inputs: Any, tmp_path: Path
) -> None:
    model = keras.Sequential([make()])
    expected = model(inputs).numpy()
    model.save(tmp_path / "layer.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "layer.keras")(inputs).numpy(), expected)


def test_encodings_are_sines_then_cosines() -> None:
    encoded = Encodings(depth=4, max_length=3)(np.zeros((1, 3, 4), np.float32)).numpy()[0]
    expected = [[np.sin(p), np.sin(p / 100), np.cos(p), np.cos(p / 100)] for p in range(3)]
    np.testing.assert_allclose(encoded, expected, atol=1e-6)


def test_embeddings_are_scaled_and_pad_is_masked() -> None:
    layer = Embeddings(vocab_size=4, depth=9)
    embedded = layer(np.array([[3, 0]]))
    np.testing.assert_allclose(embedded[0, 0], 3.0 * layer.table[3], rtol=1e-6)
    np.testing.assert_array_equal(layer.compute_mask(np.array([[3, 0]])), [[True, False]])


def test_self_attention_equals_that_of_keras() -> None:
    ours = SelfAttention(depth=8, num_heads=2)
    ours.build((None, None, 8))
    ours.set_weights([GENERATOR.normal(size=weight.shape) for weight in ours.get_weights()])
    theirs = keras.layers.MultiHeadAttention(num_heads=2, key_dim=8)
    theirs.build((None, None, 8), (None, None, 8))
    theirs.set_weights(ours.get_weights())
    expected = theirs(HIDDEN, HIDDEN, attention_mask=np.broadcast_to(MASK[:, None, :], (3, 7, 7)))
    np.testing.assert_allclose(ours(HIDDEN, mask=MASK), expected, atol=1e-5)


def test_feed_forward_is_twice_as_wide_inside() -> None:
    layer = FeedForward(depth=8)
    layer.build((None, None, 8))
    first, second = (layer.inner.get_weights(), layer.outer.get_weights())
    expected = keras.ops.gelu(HIDDEN @ first[0] + first[1], approximate=False) @ second[0] + second[1]
    assert first[0].shape == (8, 16)
    np.testing.assert_allclose(layer(HIDDEN), expected, atol=1e-5)


def test_the_encoder_layer_is_pre_norm() -> None:
    layer = EncoderLayer(depth=8, num_heads=2)
    layer.build((None, None, 8))
    hidden = HIDDEN + layer.attention(layer.attention_norm(HIDDEN), mask=MASK)
    expected = hidden + layer.feed_forward(layer.feed_forward_norm(hidden))
    np.testing.assert_allclose(layer(HIDDEN, mask=MASK), expected, atol=1e-5)


def test_unpacked_bits_equal_those_of_numpy() -> None:
    packed = GENERATOR.integers(0, 256, size=(5, 4)).astype(np.uint8)
    np.testing.assert_array_equal(UnpackBits(dtype="float32")(packed), np.unpackbits(packed, axis=1))


def test_dropout_keeps_the_mean_and_repeats_with_its_seed() -> None:
    inputs = np.ones((400, 500), np.float32)
    layer = SeededDropout(0.1)
    first = layer(inputs, training=True, seed=tf.constant([1, 2], tf.uint32)).numpy()
    again = layer(inputs, training=True, seed=tf.constant([1, 2], tf.uint32)).numpy()
    other = layer(inputs, training=True, seed=tf.constant([1, 3], tf.uint32)).numpy()
    assert set(np.unique(first)) == {np.float32(0.0), np.float32(1 / 0.9)}
    assert first.mean() == pytest.approx(1.0, abs=0.003)
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() == pytest.approx(0.18, abs=0.005)
    np.testing.assert_array_equal(layer(inputs), inputs)


def test_dropout_without_a_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a seed"):
        SeededDropout(0.1)(HIDDEN, training=True)


def test_attention_dropout_can_be_left_out() -> None:
    seed = tf.constant([5, 6], tf.uint32)
    layer = SelfAttention(depth=8, num_heads=2, dropout_rate=0.5, attention_dropout=False)
    whole = layer(HIDDEN).numpy()
    dropped = layer(HIDDEN, training=True, seed=seed).numpy()
    kept = dropped != 0.0
    np.testing.assert_allclose(dropped[kept], 2.0 * whole[kept], rtol=1e-5)
