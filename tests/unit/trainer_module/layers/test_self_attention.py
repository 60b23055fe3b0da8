"""The gradient of attention equals that of the textbook's formula, under masks and dropout."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer_module.layers.seeded_dropout import drop
from trainer_module.layers.self_attention import attend

GENERATOR = np.random.default_rng(0)
QUERIES = tf.constant(GENERATOR.normal(size=(3, 10, 4)), tf.float32)
INPUTS = tf.constant(GENERATOR.normal(size=(3, 5, 4)), tf.float32)
MASK = tf.constant(np.arange(5) < np.array([[5], [3], [1]]))
SEED = tf.constant([1, 2], tf.uint32)


def textbook(queries: Any, inputs: Any, mask: Any, rate: float) -> tuple[Any, Any]:
    scores = tf.matmul(queries, inputs, transpose_b=True)
    if mask is not None:
        scores += tf.where(mask[:, None, :], 0.0, -np.inf)
    weights = drop(tf.nn.softmax(scores), rate, SEED)
    return tf.matmul(weights, inputs), tf.reduce_sum(weights, axis=-1, keepdims=True)


def ours(queries: Any, inputs: Any, mask: Any, rate: float) -> tuple[Any, Any]:
    return attend(queries, inputs, mask, lambda weights: drop(weights, rate, SEED))


@pytest.mark.parametrize("mask", [None, MASK], ids=["all tokens", "mask"])
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("xla", [False, True])
def test_outputs_and_gradients_are_those_of_the_textbook(mask: Any, rate: float, xla: bool) -> None:
    found = []
    for function in (ours, textbook):

        @tf.function(jit_compile=xla)
        def differentiate(function: Any = function) -> Any:
            with tf.GradientTape() as tape:
                tape.watch([QUERIES, INPUTS])
                averages, sums = function(QUERIES, INPUTS, mask, rate)
                loss = tf.reduce_sum(tf.sin(averages)) + tf.reduce_sum(sums**3)
            return averages, sums, *tape.gradient(loss, [QUERIES, INPUTS])

        found.append([values.numpy() for values in differentiate()])
    for mine, expected in zip(*found, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-5)


def test_half_precision_gives_gradients_of_its_own_type() -> None:
    queries, inputs = tf.cast(QUERIES, tf.bfloat16), tf.cast(INPUTS, tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch([queries, inputs])
        averages, sums = ours(queries, inputs, MASK, 0.3)
    assert averages.dtype == sums.dtype == tf.float32
    gradients = tape.gradient(averages, [queries, inputs])
    assert {gradient.dtype for gradient in gradients} == {tf.bfloat16}
    np.testing.assert_allclose(averages, ours(QUERIES, INPUTS, MASK, 0.3)[0], atol=0.05)


def test_nothing_changes_where_no_gradient_is_wanted() -> None:
    plain = attend(QUERIES, INPUTS, MASK, lambda weights: weights)
    for mine, expected in zip(plain, ours(QUERIES, INPUTS, MASK, 0.0), strict=True):
        np.testing.assert_array_equal(mine, expected)
