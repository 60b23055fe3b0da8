"""Focal loss over several binary labels of which some are unknown."""

from typing import Any

import keras
from keras import ops

from belka.contract import LABEL_UNKNOWN
from trainer_module.losses.weighted_loss import WeightedLoss, divide_no_nan, inverse_root_weights


@keras.saving.register_keras_serializable(package="belka")
class MultiLabelLoss(WeightedLoss):
    """Class-weighted focal loss of binary labels, unknown ones left out.

    The classes 0 and 1 are counted in the batch, per label (macro) or over all labels, and weighted by the inverse
    square root of their counts. Macro: the weighted mean over the known labels of each row, then the mean over the rows
    that have one. Micro: the weighted mean over all known labels. Equal to the reference where that is finite; rows and
    labels without any known value, where the reference is NaN, count for nothing.

    Args:
        epsilon: Probabilities are clipped to [epsilon, 1 - epsilon].
        macro: Count and average per label, else over all.
        gamma: Exponent of the focal term.
        nan_mask: Code of an unknown label.
        **kwargs: Arguments of `keras.losses.Loss`.
    """

    def __init__(
        self,
        epsilon: float = 1e-7,
        macro: bool = True,
        gamma: float = 2.0,
        nan_mask: int = LABEL_UNKNOWN,
        **kwargs: Any,
    ) -> None:
        super().__init__(epsilon=epsilon, gamma=gamma, **kwargs)
        self.macro = macro
        self.nan_mask = nan_mask

    def weights(self, y_true: Any, row_weight: Any = None) -> Any:
        """Weight each label.

        Args:
            y_true: [batch, n_labels], 0, 1 or `nan_mask`.
            row_weight: Float [batch], 0 for rows that only fill the batch.

        Returns:
            Float [batch, n_labels].
        """
        y_true = ops.cast(y_true, self.dtype)
        known = ops.cast(ops.not_equal(y_true, float(self.nan_mask)), self.dtype)
        if row_weight is not None:
            known = known * ops.cast(row_weight, self.dtype)[:, None]
        positive = known * ops.cast(ops.equal(y_true, 1.0), self.dtype)
        negative = known - positive
        axis = 0 if self.macro else None
        counts = ops.stack([ops.sum(negative, axis=axis), ops.sum(positive, axis=axis)], axis=-1)
        alpha = inverse_root_weights(counts)
        weights = negative * alpha[..., 0] + positive * alpha[..., 1]
        if not self.macro:
            return divide_no_nan(weights, ops.sum(weights))
        rows = ops.sum(ops.cast(ops.any(ops.greater(known, 0.0), axis=1), self.dtype))
        return divide_no_nan(divide_no_nan(weights, ops.sum(weights, axis=1, keepdims=True)), rows)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "macro": self.macro, "nan_mask": self.nan_mask}
