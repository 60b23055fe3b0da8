"""Token embeddings."""

from typing import Any

import keras
from keras import ops

from belka.contract import PAD_ID
from trainer_module.layers.layer import BelkaLayer


@keras.saving.register_keras_serializable(package="belka")
class Embeddings(BelkaLayer):
    """Look up token embeddings and scale them by sqrt(depth); PAD positions are masked.

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.4.

    Args:
        vocab_size: Rows of the table, PAD and MASK included.
        depth: Width of an embedding.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, vocab_size: int, depth: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.depth = depth

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the table, float [vocab_size, depth]."""
        del input_shape
        self.table = self.add_weight(shape=(self.vocab_size, self.depth), initializer="uniform", name="table")

    def call(self, inputs: Any) -> Any:
        """Look up.

        Args:
            inputs: Integer [batch, length], token ids below `vocab_size`.

        Returns:
            Float [batch, length, depth].
        """
        table = ops.cast(self.table, self.compute_dtype)
        return ops.take(table, ops.cast(inputs, "int32"), axis=0) * self.depth**0.5

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return which positions hold a token: bool [batch, length]."""
        del mask
        return ops.not_equal(inputs, ops.cast(PAD_ID, inputs.dtype))
