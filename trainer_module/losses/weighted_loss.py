"""What the losses share: masking, class weights, reduction."""

from abc import abstractmethod
from typing import Any

import keras
from keras import ops


class WeightedLoss(keras.losses.Loss):
    """A loss that is a weighted sum of terms, one per element, with weights that depend on the labels alone.

    `weights` sees the labels of the whole batch; `terms` may then be evaluated in parts (micro-batches, devices) whose
    weighted sums add up to exactly the loss of the batch, class counts included.

    Args:
        epsilon: Probabilities are clipped to [epsilon, 1 - epsilon].
        gamma: Exponent of the focal term.
        **kwargs: Arguments of `keras.losses.Loss`; `dtype` is that of weights and terms, Keras's floatx by default.
    """

    def __init__(self, epsilon: float = 1e-7, gamma: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**{"reduction": "sum", **kwargs})
        self.epsilon = epsilon
        self.gamma = gamma

    @abstractmethod
    def weights(self, y_true: Any, row_weight: Any = None) -> Any:
        """Weight each element so that the weighted sum of the terms is the loss.

        Args:
            y_true: Labels of the whole batch.
            row_weight: Float [batch], 0 for rows that only fill the batch, else 1. None: all 1.

        Returns:
            Float, shaped as the terms; 0 where there is no label.
        """

    def terms(self, y_true: Any, y_pred: Any) -> Any:
        """Return the unweighted, finite loss of each element, float; here of binary labels."""
        y_pred = ops.cast(y_pred, self.dtype)
        return self.focal(ops.where(ops.equal(ops.cast(y_true, self.dtype), 1.0), y_pred, 1.0 - y_pred))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of the batch, a float scalar; 0 if the batch holds no label."""
        return ops.sum(self.weights(y_true) * self.terms(y_true, y_pred))

    def focal(self, probability: Any) -> Any:
        """Return `(1 - p)^gamma * -log(p)` for the probability given to the true class.

        Source: Lin et al., Focal Loss for Dense Object Detection, ICCV 2017.
        """
        probability = ops.clip(ops.cast(probability, self.dtype), self.epsilon, 1.0 - self.epsilon)
        return ops.power(1.0 - probability, self.gamma) * -ops.log(probability)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "epsilon": self.epsilon, "gamma": self.gamma}


def divide_no_nan(numerator: Any, denominator: Any) -> Any:
    """Return numerator / denominator, and 0 where the denominator is 0."""
    empty = ops.equal(denominator, 0.0)
    return ops.where(empty, 0.0, numerator / ops.where(empty, 1.0, denominator))


def inverse_root_weights(counts: Any) -> Any:
    """Weight classes by the inverse square root of their counts.

    Args:
        counts: Float [..., n_classes].

    Returns:
        Float like `counts`: 0 for a class without members; scaled so that the weighted counts sum to the counts.
    """
    alpha = ops.where(ops.equal(counts, 0.0), 0.0, ops.rsqrt(ops.maximum(counts, 1.0)))
    scale = divide_no_nan(ops.sum(counts, axis=-1, keepdims=True), ops.sum(alpha * counts, axis=-1, keepdims=True))
    return alpha * scale
