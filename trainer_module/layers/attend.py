"""The core of attention, with a backward pass that keeps one matrix of the scores' size and reads it few times.

Products with vectors of 32 numbers are so short that a CPU spends as long on passing over the scores as on the products. Dividing
by the sum of the exponentials after the product saves one pass, and the term that the gradient of softmax subtracts, the mean of the gradient
under the weights, is the product of the outputs with their gradient: it needs no pass at all.

Source: Dao et al., FlashAttention, NeurIPS 2022, section 3.1 and appendix B.2.
"""

from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

_MASKED_SCORE: Final = -1e9


def attend(
    queries: Any, inputs: Any, mask: Any, drop: Callable[[Any], Any], *, training: bool = False
) -> tuple[Any, Any]:
    """Average inputs with the softmax of their products with queries.

    Args:
        queries: Float [batch, rows, depth], scaled.
        inputs: Float [batch, length, depth], keys and values at once.
        mask: Bool [batch, length], true where a token is; None: all are tokens. A molecule without any token gets no gradient from its loss.
        drop: Linear function that drops attention weights, float32 [batch, rows, length]; called twice, it must drop the same ones.
        training: Whether a gradient is wanted.

    Returns:
        The averages, float32 [batch, rows, depth], and the sums of the weights left, float32 [batch, rows, 1].
    """
    dtype = inputs.dtype

    def forward(queries: Any, inputs: Any) -> tuple[Any, ...]:
        scores = tf.cast(tf.matmul(queries, inputs, transpose_b=True), tf.float32)
        if mask is not None:
            scores = tf.where(mask[:, None, :], scores, _MASKED_SCORE)
        exponentials = tf.exp(scores - tf.reduce_max(scores, axis=-1, keepdims=True))
        inverse = 1.0 / tf.reduce_sum(exponentials, axis=-1, keepdims=True)
        left = drop(exponentials)
        averages = tf.cast(tf.matmul(tf.cast(left, dtype), inputs), tf.float32) * inverse
        return averages, tf.reduce_sum(left, axis=-1, keepdims=True) * inverse, left, exponentials, inverse

    if not training:
        return forward(queries, inputs)[:2]

    @tf.custom_gradient
    def differentiable(queries: Any, inputs: Any) -> Any:
        averages, sums, left, exponentials, inverse = forward(queries, inputs)

        def backward(of_averages: Any, of_sums: Any) -> tuple[Any, Any]:
            scaled = tf.cast(of_averages * inverse, dtype)
            of_weights = tf.cast(tf.matmul(scaled, inputs, transpose_b=True), tf.float32) + of_sums * inverse
            mean = tf.reduce_sum(averages * of_averages, axis=-1, keepdims=True) + sums * of_sums
            of_scores = tf.cast(drop(exponentials * of_weights) - exponentials * (mean * inverse), dtype)
            of_inputs = tf.matmul(tf.cast(left, dtype), scaled, transpose_a=True)
            return tf.matmul(of_scores, inputs), of_inputs + tf.matmul(of_scores, queries, transpose_a=True)

        return (averages, sums), backward

    averages, sums = differentiable(queries, inputs)
    return averages, sums
