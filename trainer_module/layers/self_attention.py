"""Multi-head self-attention written as four matrix products that XLA compiles without transposes."""

from typing import Any

import keras
from keras import ops

from trainer_module.layers.seeded_dropout import SeededDropout
from trainer_module.layers.seeds import fold_in

_MASKED_SCORE = -1e9


@keras.saving.register_keras_serializable(package="belka")
class SelfAttention(keras.layers.Layer):
    """Scaled dot-product self-attention; every head is as wide as the inputs.

    The maths and the number of weights are those of `keras.layers.MultiHeadAttention(num_heads, key_dim=depth)`. In the shapes
    below b is the batch, l and m positions, d the depth, h heads and k the width of a head.

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
        self.query, self.key, self.value = (
            keras.layers.EinsumDense(
                "bld,dhk->bhlk", (num_heads, None, depth), bias_axes="hk", dtype=self.dtype_policy, name=name
            )
            for name in ("query", "key", "value")
        )
        self.output_projection = keras.layers.EinsumDense(
            "bhlk,hkd->bld", (None, depth), bias_axes="d", dtype=self.dtype_policy, name="output"
        )
        for projection in (self.query, self.key, self.value, self.output_projection):
            projection.supports_masking = True  # else Keras warns that it drops the mask, which is handed on explicitly
        self.weights_dropout = SeededDropout(
            dropout_rate if attention_dropout else 0.0, dtype=self.dtype_policy, name="weights_dropout"
        )
        self.output_dropout = SeededDropout(dropout_rate, dtype=self.dtype_policy, name="output_dropout")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of the four projections."""
        for projection in (self.query, self.key, self.value):
            projection.build(input_shape)
        batch, length, _ = input_shape
        self.output_projection.build((batch, self.num_heads, length, self.depth))

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
        query = self.query(inputs) * self.depth**-0.5
        scores = ops.cast(ops.einsum("bhlk,bhmk->bhlm", query, self.key(inputs)), "float32")
        if mask is not None:
            scores = ops.where(mask[:, None, None, :], scores, _MASKED_SCORE)
        weights = ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)
        weights = self.weights_dropout(weights, training=training, seed=None if seed is None else fold_in(seed, 0))
        outputs = self.output_projection(ops.einsum("bhlm,bhmk->bhlk", weights, self.value(inputs)))
        return self.output_dropout(outputs, training=training, seed=None if seed is None else fold_in(seed, 1))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "depth": self.depth,
            "num_heads": self.num_heads,
            "dropout_rate": self.dropout_rate,
            "attention_dropout": self.attention_dropout,
        }
