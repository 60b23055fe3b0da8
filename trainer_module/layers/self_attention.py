"""Multi-head self-attention whose heads are as wide as the model: two projections in place of four.

With q = xQ + a, k = xK + b and v = xV + c of one head, the scores are q k' = (x QK' + aK') x' + q b'. The last term is
the same for all positions attended to, and softmax ignores it. The attended values times the output weights, P v O, are
(P x) VO + (P 1) cO. A head is as wide as the model, so QK' and VO are as small as one of their factors and are computed
once per step. All heads of a molecule then attend to the same vectors, in one product of all their queries: fewer
operations in larger pieces.
"""

from collections.abc import Callable
from typing import Any, Final

import keras
import tensorflow as tf
from einops import rearrange
from keras import ops

from trainer_module.layers.layer import BelkaLayer
from trainer_module.layers.seeded_dropout import SeededDropout, drop
from trainer_module.layers.seeds import fold_in

_MASKED_SCORE: Final = -1e9


@keras.saving.register_keras_serializable(package="belka")
class SelfAttention(BelkaLayer):
    """Scaled dot-product self-attention; every head is as wide as the inputs.

    The maths and the weights, in their order and shapes, are those of
    `keras.layers.MultiHeadAttention(num_heads, key_dim=depth)`; sums are taken in another order. The bias of the keys
    is kept though nothing depends on it.

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.2.

    Args:
        depth: Width of inputs, outputs and of each head.
        num_heads: Number of heads.
        dropout_rate: Share of the outputs, and of the attention weights, dropped while training.
        attention_dropout: False leaves the attention weights whole.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self, depth: int, num_heads: int = 8, dropout_rate: float = 0.1, attention_dropout: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.depth = depth
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        self.attention_dropout = attention_dropout
        self.supports_masking = True
        self.weights_dropout_rate = dropout_rate if attention_dropout else 0.0
        self.output_dropout = SeededDropout(dropout_rate, dtype=self.dtype_policy, name="output_dropout")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of the four projections."""
        del input_shape
        heads, depth = self.num_heads, self.depth
        self.query_kernel, self.query_bias = self._add_projection("query", (depth, heads, depth), (heads, depth))
        self.key_kernel, self.key_bias = self._add_projection("key", (depth, heads, depth), (heads, depth))
        self.value_kernel, self.value_bias = self._add_projection("value", (depth, heads, depth), (heads, depth))
        self.output_kernel, self.output_bias = self._add_projection("output", (heads, depth, depth), (depth,))

    def _add_projection(self, name: str, kernel: tuple[int, ...], bias: tuple[int, ...]) -> tuple[Any, Any]:
        # Products of two weights are taken in full precision whatever the precision of the activations.
        return (
            self.add_weight(shape=kernel, initializer="glorot_uniform", autocast=False, name=f"{name}_kernel"),
            self.add_weight(shape=bias, initializer="zeros", autocast=False, name=f"{name}_bias"),
        )

    def call(self, inputs: Any, mask: Any = None, training: bool = False, seed: Any = None) -> Any:
        """Attend.

        Args:
            inputs: Float [batch, length, depth].
            mask: Bool [batch, length], true where a token is; other positions get no attention. None: all are tokens.
            training: Whether to drop.
            seed: uint32 [2]; needed while training.

        Returns:
            Tensor like `inputs`.
        """
        heads = self.num_heads
        score_map, score_bias, output_map, output_bias = self._joined_weights()
        queries = ops.matmul(inputs, rearrange(score_map, "depth heads width -> depth (heads width)"))
        queries = queries + rearrange(score_bias, "heads width -> (heads width)")
        queries = rearrange(queries, "batch length (heads width) -> batch (length heads) width", heads=heads)
        rate, drop_seed = self.weights_dropout_rate if training else 0.0, fold_in(seed, 0)
        averages, sums = (
            ops.cast(
                rearrange(values, "batch (length heads) width -> batch length (heads width)", heads=heads),
                self.compute_dtype,
            )
            for values in attend(queries, inputs, mask, lambda weights: drop(weights, rate, drop_seed))
        )
        outputs = ops.matmul(averages, rearrange(output_map, "heads width depth -> (heads width) depth"))
        outputs = outputs + ops.matmul(sums, output_bias) + ops.cast(self.output_bias, self.compute_dtype)
        return self.output_dropout(outputs, training=training, seed=fold_in(seed, 1))

    def _joined_weights(self) -> tuple[Any, ...]:
        """Return QK', aK', VO and cO of the module's text: [d, h, d], [h, d], [h, d, d], [h, d], scores scaled."""
        scale = self.depth**-0.5
        joined = (
            ops.einsum("dhk,ehk->dhe", self.query_kernel, self.key_kernel) * scale,
            ops.einsum("hk,ehk->he", self.query_bias, self.key_kernel) * scale,
            ops.einsum("dhk,hke->hde", self.value_kernel, self.output_kernel),
            ops.einsum("hk,hke->he", self.value_bias, self.output_kernel),
        )
        return tuple(ops.cast(weight, self.compute_dtype) for weight in joined)


def attend(queries: Any, inputs: Any, mask: Any, drop_weights: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Average inputs with the softmax of their products with queries.

    Products with vectors of 32 numbers are so short that a CPU spends as long on passing over the scores as on the
    products; dividing by the sum of the exponentials after the product saves one pass.

    Source: Dao et al., FlashAttention, NeurIPS 2022, section 3.1.

    Args:
        queries: Float [batch, rows, depth], scaled.
        inputs: Float [batch, length, depth], keys and values at once.
        mask: Bool [batch, length], true where a token is; None: all are tokens. A molecule without any token gets no
            gradient from its loss.
        drop_weights: Function that drops attention weights, at least float32 [batch, rows, length].

    Returns:
        The averages [batch, rows, depth], and the sums of the weights left [batch, rows, 1]: float32, or float64 where
        the queries are.
    """
    full = tf.float64 if queries.dtype == tf.float64 else tf.float32
    scores = tf.cast(tf.matmul(queries, inputs, transpose_b=True), full)
    if mask is not None:
        scores = tf.where(mask[:, None, :], scores, _MASKED_SCORE)
    largest = tf.stop_gradient(tf.reduce_max(scores, axis=-1, keepdims=True))  # softmax does not depend on it
    exponentials = tf.exp(scores - largest)
    inverse = 1.0 / tf.reduce_sum(exponentials, axis=-1, keepdims=True)
    left = drop_weights(exponentials)
    averages = tf.cast(tf.matmul(tf.cast(left, inputs.dtype), inputs), full) * inverse
    return averages, tf.reduce_sum(left, axis=-1, keepdims=True) * inverse
