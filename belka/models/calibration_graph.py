"""The calibration of a model as TensorFlow computes it."""

from typing import Any

from belka.models.calibration import LEAST_PROBABILITY, MOST_PROBABILITY, Calibration


def calibrated_probabilities(odds: Any, calibration: Calibration | None) -> Any:
    """Probabilities as served, float32 [batch, n_targets], of the model's log-odds, likewise; None = as they are."""
    import tensorflow as tf

    if calibration is None:
        return tf.math.sigmoid(odds)
    slopes, offsets = (tf.constant(each, tf.float32) for each in (calibration.slopes, calibration.offsets))
    return tf.math.sigmoid(odds * slopes + offsets)


def log_odds(probabilities: Any) -> Any:
    """Log-odds of probabilities, float32; finite also for 0 and 1."""
    import tensorflow as tf

    kept = tf.clip_by_value(probabilities, LEAST_PROBABILITY, MOST_PROBABILITY)
    return tf.math.log(kept) - tf.math.log1p(-kept)
