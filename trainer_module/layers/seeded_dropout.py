"""Dropout whose mask is a function of a seed handed in with the call."""

from typing import Any

import keras
from keras import ops

from trainer_module.layers.layer import BelkaLayer
from trainer_module.layers.seeds import keep_mask


def drop(values: Any, rate: float, seed: Any) -> Any:
    """Set a share of the values to zero at random and scale the rest by 1 / (1 - rate).

    Args:
        values: Float tensor of static shape.
        rate: Share dropped, in [0, 1); 0 returns the values.
        seed: uint32 [2]; equal seeds drop the same places. None is allowed where nothing is dropped.

    Returns:
        Tensor like `values`.

    Raises:
        ValueError: If the seed is missing.
    """
    if rate == 0.0:
        return values
    if seed is None:
        raise ValueError("Dropout needs a seed (uint32 [2]) while training.")
    scale = ops.cast(1.0 / (1.0 - rate), values.dtype)
    return ops.where(keep_mask(tuple(values.shape), rate, seed), values * scale, ops.zeros((), values.dtype))


@keras.saving.register_keras_serializable(package="belka")
class SeededDropout(BelkaLayer):
    """Set activations to zero at random and scale the rest by 1 / (1 - rate).

    The maths are those of `keras.layers.Dropout`. The layer holds no generator state: a step that is repeated with the
    same seed drops the same activations, on any device and after any restart.

    Args:
        rate: Share dropped, in [0, 1).
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.supports_masking = True

    def call(self, inputs: Any, training: bool = False, seed: Any = None) -> Any:
        """Drop activations while training.

        Args:
            inputs: Float tensor.
            training: False returns the inputs.
            seed: uint32 [2]; needed while training.

        Returns:
            Tensor like `inputs`.

        Raises:
            ValueError: If the seed is missing while training.
        """
        return drop(inputs, self.rate if training else 0.0, seed)
