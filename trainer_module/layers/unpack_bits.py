"""Packed fingerprints to bits."""

from typing import Any, Final

import keras
import numpy as np
from einops import rearrange
from keras import ops

from trainer_module.layers.layer import BelkaLayer

_BITS_PER_BYTE: Final = 8


@keras.saving.register_keras_serializable(package="belka")
class UnpackBits(BelkaLayer):
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
        return ops.cast(rearrange(bits, "batch bytes bits -> batch (bytes bits)"), self.compute_dtype)
