"""Position-wise feed-forward block."""

from typing import Any, Final

import keras

from trainer_module.layers.layer import BelkaLayer
from trainer_module.layers.seeded_dropout import SeededDropout

_EXPANSION: Final = 2


@keras.saving.register_keras_serializable(package="belka")
class FeedForward(BelkaLayer):
    """Two dense layers, the inner one twice as wide, and dropout.

    Args:
        depth: Width of inputs and outputs.
        dropout_rate: Share of the outputs dropped while training.
        activation: Non-linearity between the two layers.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, depth: int, dropout_rate: float = 0.1, activation: str = "gelu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.depth = depth
        self.dropout_rate = dropout_rate
        self.activation = activation
        self.supports_masking = True
        self.inner = keras.layers.Dense(
            _EXPANSION * depth, activation=activation, dtype=self.dtype_policy, name="inner"
        )
        self.outer = keras.layers.Dense(depth, dtype=self.dtype_policy, name="outer")
        self.dropout = SeededDropout(dropout_rate, dtype=self.dtype_policy, name="dropout")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of both dense layers."""
        self.inner.build(input_shape)
        self.outer.build((*input_shape[:-1], _EXPANSION * self.depth))

    def call(self, inputs: Any, training: bool = False, seed: Any = None) -> Any:
        """Transform each position by itself.

        Args:
            inputs: Float [batch, length, depth].
            training: Whether to drop.
            seed: uint32 [2]; needed while training.

        Returns:
            Tensor like `inputs`.
        """
        return self.dropout(self.outer(self.inner(inputs)), training=training, seed=seed)
