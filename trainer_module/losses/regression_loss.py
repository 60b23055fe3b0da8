"""Squared error over numbers of which some are not defined."""

from typing import Any

import keras
from keras import ops

from trainer_module.losses.weighted_loss import WeightedLoss, divide_no_nan


@keras.saving.register_keras_serializable(package="belka")
class RegressionLoss(WeightedLoss):
    """Mean squared error over all values of all rows that are defined.

    Source: Ahmad et al., ChemBERTa-2, arXiv:2209.01712 (2022): multi-task regression of descriptors.

    Args:
        epsilon: Not used: there are no probabilities.
        gamma: Likewise.
        **kwargs: Arguments of `keras.losses.Loss`.
    """

    def weights(self, y_true: Any, row_weight: Any = None) -> Any:
        """Weight each defined value alike.

        Args:
            y_true: Float [batch, n_values]; NaN = not defined.
            row_weight: Float [batch], 0 for rows that only fill the batch.

        Returns:
            Float [batch, n_values].
        """
        known = ops.cast(ops.logical_not(ops.isnan(y_true)), self.dtype)
        if row_weight is not None:
            known = known * ops.cast(row_weight, self.dtype)[:, None]
        return divide_no_nan(known, ops.sum(known))

    def terms(self, y_true: Any, y_pred: Any) -> Any:
        """Return the squared error of each value, float [batch, n_values]; 0 where it is not defined."""
        y_true, y_pred = ops.cast(y_true, self.dtype), ops.cast(y_pred, self.dtype)
        # Chosen before the square: a gradient through NaN is NaN, whatever its weight.
        return ops.square(y_pred - ops.where(ops.isnan(y_true), y_pred, y_true))
