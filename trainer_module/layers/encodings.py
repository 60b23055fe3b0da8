"""Sinusoidal position encodings."""

from typing import Any, Final

import keras
import numpy as np
from keras import ops

from trainer_module.layers.layer import BelkaLayer

_WAVELENGTH: Final = 10_000.0


@keras.saving.register_keras_serializable(package="belka")
class Encodings(BelkaLayer):
    """Add sinusoidal position encodings: the sines in the first half of the channels, the cosines in the second.

    Channel i of either half has the angle `position / 10000^(i / (depth / 2))`.

    Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017, section 3.5, with the halves concatenated.

    Args:
        depth: Width of the inputs, even.
        max_length: Longest sequence.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, depth: int, max_length: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.depth = depth
        self.max_length = max_length
        self.supports_masking = True
        angles = np.arange(max_length)[:, None] / _WAVELENGTH ** (np.arange(depth // 2) / (depth / 2))
        self._table = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(self.variable_dtype)

    def call(self, inputs: Any) -> Any:
        """Add the encodings.

        Args:
            inputs: Float [batch, length, depth], length <= max_length.

        Returns:
            Tensor like `inputs`.
        """
        table = ops.cast(ops.convert_to_tensor(self._table), inputs.dtype)
        return inputs + table[None, : ops.shape(inputs)[1], :]
