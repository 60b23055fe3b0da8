"""Area under the precision-recall curve with unknown labels."""

from typing import Any

import keras
from keras import ops

from belka.contract import LABEL_UNKNOWN


@keras.saving.register_keras_serializable(package="belka")
class MaskedAUC(keras.metrics.AUC):
    """`keras.metrics.AUC` of the precision-recall curve: the mean over the labels, each without its unknown rows.

    Args:
        num_labels: Number of labels.
        mask: Code of an unknown label.
        num_thresholds: Points of the curve.
        name: Name of the metric.
        dtype: Type of the accumulators.
    """

    def __init__(
        self,
        num_labels: int,
        mask: int = LABEL_UNKNOWN,
        num_thresholds: int = 200,
        name: str = "masked_auc",
        dtype: str | None = None,
    ) -> None:
        super().__init__(
            num_thresholds=num_thresholds, curve="PR", multi_label=True, num_labels=num_labels, name=name, dtype=dtype
        )
        self.mask = mask

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch.

        Args:
            y_true: [batch, num_labels], 0, 1 or `mask`.
            y_pred: Probabilities [batch, num_labels].
            sample_weight: Float [batch] or [batch, num_labels]. None: all 1.
        """
        known = ops.cast(ops.not_equal(y_true, self.mask), self.dtype)
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, self.dtype)
            known = known * (sample_weight[:, None] if len(sample_weight.shape) == 1 else sample_weight)
        super().update_state(ops.equal(y_true, 1), y_pred, sample_weight=known)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "num_labels": self.num_labels,
            "mask": self.mask,
            "num_thresholds": self.num_thresholds,
            "name": self.name,
            "dtype": self.dtype,
        }
