"""Focal loss over the tokens a masked language model has to find."""

from typing import Any, Final

import keras
from keras import ops

from belka.contract import FIRST_TOKEN_ID
from trainer_module.losses.weighted_loss import WeightedLoss, divide_no_nan, inverse_root_weights

NOT_MASKED: Final = -1


@keras.saving.register_keras_serializable(package="belka")
class CategoricalLoss(WeightedLoss):
    """Class-weighted focal loss at masked positions.

    Tokens are counted in the unmasked batch, PAD and MASK apart, and weighted by the inverse square root of their
    counts; the loss is the weighted mean over the masked positions, 0 if there is none.

    Args:
        epsilon: Probabilities are clipped to [epsilon, 1 - epsilon].
        mask: Code of a position that is not masked.
        vocab_size: Number of classes.
        gamma: Exponent of the focal term.
        **kwargs: Arguments of `keras.losses.Loss`.
    """

    def __init__(
        self, epsilon: float = 1e-7, mask: int = NOT_MASKED, vocab_size: int = 43, gamma: float = 2.0, **kwargs: Any
    ) -> None:
        super().__init__(epsilon=epsilon, gamma=gamma, **kwargs)
        self.mask = mask
        self.vocab_size = vocab_size

    def weights(self, y_true: Any, row_weight: Any = None) -> Any:
        """Weight each position.

        Args:
            y_true: Integer [batch, length, 2]: the token's id at masked positions, else `mask`; the ids before masking.
            row_weight: Float [batch], 0 for rows that only fill the batch.

        Returns:
            Float [batch, length].
        """
        y_true = ops.cast(y_true, "int32")
        masked = ops.cast(ops.not_equal(y_true[..., 0], self.mask), self.dtype)
        present = ops.cast(ops.one_hot(y_true[..., 1], self.vocab_size), self.dtype)
        if row_weight is not None:
            row_weight = ops.cast(row_weight, self.dtype)
            masked = masked * row_weight[:, None]
            present = present * row_weight[:, None, None]
        countable = ops.cast(ops.arange(self.vocab_size) >= FIRST_TOKEN_ID, self.dtype)
        alpha = inverse_root_weights(ops.sum(present, axis=(0, 1)) * countable)
        weights = masked * ops.take(alpha, ops.maximum(y_true[..., 0], 0), axis=0)
        return divide_no_nan(weights, ops.sum(weights))

    def terms(self, y_true: Any, y_pred: Any) -> Any:
        """Return the focal loss of each position, float [batch, length]."""
        target = ops.one_hot(ops.maximum(ops.cast(y_true, "int32")[..., 0], 0), self.vocab_size)
        return self.focal(ops.sum(ops.cast(target, self.dtype) * ops.cast(y_pred, self.dtype), axis=-1))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "mask": self.mask, "vocab_size": self.vocab_size}
