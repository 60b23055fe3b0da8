"""Packed fingerprints to bits."""

from typing import Any

import keras
import numpy as np
from keras import ops

_BITS_PER_BYTE = 8


@keras.saving.register_keras_serializable(package="belka")
class UnpackBits(keras.layers.Layer):
    """Turn bytes into their bits, the most significant first, as `numpy.unpackbits` does."""

    def call(self, inputs: Any) -> Any:
        """Unpack.

        Args:
            inputs: uint8 [batch, n].

        Returns:
            Float [batch, 8 n] of zeros and ones.
        """
        shifts = ops.convert_to_tensor(np.arange(_BITS_PER_BYTE - 1, -1, -1), dtype="int32")
        bits = ops.bitwise_and(ops.right_shift(ops.cast(inputs, "int32")[:, :, None], shifts), 1)
        return ops.cast(ops.reshape(bits, (-1, _BITS_PER_BYTE * inputs.shape[-1])), self.compute_dtype)
