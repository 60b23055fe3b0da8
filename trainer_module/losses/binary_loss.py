"""Focal loss over the bits of a fingerprint."""

from typing import Any

import keras
from keras import ops

from trainer_module.losses.weighted_loss import WeightedLoss, divide_no_nan


@keras.saving.register_keras_serializable(package="belka")
class BinaryLoss(WeightedLoss):
    """Mean focal loss over all bits of all rows: `keras.losses.BinaryFocalCrossentropy` over the flattened bits.

    Args:
        epsilon: Probabilities are clipped to [epsilon, 1 - epsilon].
        gamma: Exponent of the focal term.
        **kwargs: Arguments of `keras.losses.Loss`.
    """

    def weights(self, y_true: Any, row_weight: Any = None) -> Any:
        """Weight each bit alike.

        Args:
            y_true: [batch, n_bits] of 0 and 1.
            row_weight: Float [batch], 0 for rows that only fill the batch.

        Returns:
            Float [batch, n_bits].
        """
        rows = ops.ones_like(y_true, dtype=self.dtype)
        if row_weight is not None:
            rows = rows * ops.cast(row_weight, self.dtype)[:, None]
        return divide_no_nan(rows, ops.sum(rows))
