"""Sums of two terms at a time: equal seeds give equal bytes on several threads as well.

TensorFlow's AddN starts with the term whose memory it may reuse, and which one that is may depend on which thread was
first. Of two terms either order gives the same bits; of three it does not.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf


def gradients_of(loss: Any, variables: Sequence[Any]) -> list[Any]:
    """Differentiate, adding what flows back to a tensor from each of its uses one after the other.

    `tf.GradientTape` would add them at once.

    Args:
        loss: Scalar tensor of the function that is being traced.
        variables: TensorFlow's variables, not Keras's: only of those a zero is made where nothing depends on one.

    Returns:
        One dense tensor per variable, shaped as it.
    """
    gradients = tf.gradients(
        loss,
        variables,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
        aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE,
    )
    return [tf.convert_to_tensor(gradient) for gradient in gradients]  # that of the embeddings comes sparse


@contextmanager
def sums_stay_apart() -> Iterator[None]:
    """Keep TensorFlow from joining additions to one AddN while the block runs.

    Its arithmetic optimizer does so with what `gradients_of` keeps apart. A setting of the process, so it is put back:
    whatever else runs in it computes as it does anywhere.
    """
    before = tf.config.optimizer.get_experimental_options().get("arithmetic_optimization", True)
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": before})
