"""One layer of the encoder."""

from typing import Any

import keras

from trainer_module.layers.feed_forward import FeedForward
from trainer_module.layers.layer import BelkaLayer
from trainer_module.layers.seeds import fold_in
from trainer_module.layers.self_attention import SelfAttention


@keras.saving.register_keras_serializable(package="belka")
class EncoderLayer(BelkaLayer):
    """Pre-norm transformer layer: `x + attention(norm(x))`, then `x + feed_forward(norm(x))`.

    Source: Xiong et al., On Layer Normalization in the Transformer Architecture, ICML 2020.

    Args:
        depth: Width of inputs and outputs.
        num_heads: Attention heads.
        dropout_rate: Share dropped while training.
        activation: Non-linearity of the feed-forward block.
        attention_dropout: False leaves the attention weights whole.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(
        self,
        depth: int,
        num_heads: int = 8,
        dropout_rate: float = 0.1,
        activation: str = "gelu",
        attention_dropout: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.depth = depth
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        self.activation = activation
        self.attention_dropout = attention_dropout
        self.supports_masking = True
        policy = self.dtype_policy
        self.attention_norm = keras.layers.LayerNormalization(dtype=policy, name="attention_norm")
        self.attention = SelfAttention(
            depth, num_heads, dropout_rate, attention_dropout, dtype=policy, name="attention"
        )
        self.feed_forward_norm = keras.layers.LayerNormalization(dtype=policy, name="feed_forward_norm")
        self.feed_forward = FeedForward(depth, dropout_rate, activation, dtype=policy, name="feed_forward")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of all parts."""
        for part in (self.attention_norm, self.attention, self.feed_forward_norm, self.feed_forward):
            part.build(input_shape)

    def call(self, inputs: Any, mask: Any = None, training: bool = False, seed: Any = None) -> Any:
        """Transform a batch of sequences.

        Args:
            inputs: Float [batch, length, depth].
            mask: Bool [batch, length], true where a token is. None: all are tokens.
            training: Whether to drop.
            seed: uint32 [2]; needed while training.

        Returns:
            Tensor like `inputs`.
        """
        normed = self.attention_norm(inputs)
        hidden = inputs + self.attention(normed, mask=mask, training=training, seed=fold_in(seed, 0))
        return hidden + self.feed_forward(self.feed_forward_norm(hidden), training=training, seed=fold_in(seed, 1))
