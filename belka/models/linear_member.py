"""The logistic regression inside a pushed model, read from the variables that it is served with (ADR 9)."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from belka.errors import BelkaError, InputError
from belka.models.folder import ModelFolder
from belka.models.operations import check_model

LINEAR: Final = "linear"
# Where the exported ensemble keeps them; a test exports one and reads them back.
_WEIGHTS: Final = "_graphs/linear/_weights/.ATTRIBUTES/VARIABLE_VALUE"
_BIAS: Final = "_graphs/linear/_bias/.ATTRIBUTES/VARIABLE_VALUE"


class LinearMember(NamedTuple):
    """Log-odds are the sum of the weights of a fingerprint's bits, and the bias.

    Attributes:
        weights: float32 [n_bits, n_targets].
        bias: float32 [n_targets].
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


def read_linear_member(model: ModelFolder) -> LinearMember:
    """Read the member of a model that scores fingerprints linearly; its graph is not loaded.

    Args:
        model: The model.

    Raises:
        InputError: It has no such member, or is damaged.
        BelkaError: Its variables are not where this version writes them.
    """
    if LINEAR not in model.members:
        raise InputError(
            "The model has no member that scores fingerprints linearly.",
            received=f"{model.path} with the members {', '.join(model.members)}",
            expected="linear among them",
            action="Train one: --set 'model.members=[transformer,linear]'.",
        )
    check_model(model.path)
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(model.path / "variables" / "variables"))
        weights, bias = (np.asarray(reader.get_tensor(name), np.float32) for name in (_WEIGHTS, _BIAS))
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        raise BelkaError(
            "The weights of the model's linear member cannot be read.",
            received=f"{model.path}: {str(error).splitlines()[0]}",
            expected=f"a variable {_WEIGHTS}",
            action="Export the model with this version.",
        ) from error
    n_bits = model.ecfp.size if model.ecfp else 0
    if weights.shape != (n_bits, len(model.targets)) or bias.shape != (len(model.targets),):
        raise BelkaError(
            "The weights of the model's linear member do not fit its description.",
            received=f"{model.path}: weights {weights.shape}, bias {bias.shape}",
            expected=f"({n_bits}, {len(model.targets)}) and ({len(model.targets)},)",
            action="Export the model again.",
        )
    return LinearMember(weights, bias)
