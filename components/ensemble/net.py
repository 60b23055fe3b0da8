"""A small network on blocks, symmetric in the two positions in which a library is.

A block is told by its place among the training blocks: the leading principal components of their Tanimoto similarities,
which any block has. All rounds and seeds train at once, as one product of stacked matrices: each network sees every
batch, and only the molecules that are not held out from it count.

Source of the components: Schölkopf, Smola, Müller: Nonlinear component analysis as a kernel eigenvalue problem, Neural
Computation 10, 1299 (1998).
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh  # type: ignore[import-untyped]

from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN
from components.ensemble.kernel import Similarities
from components.ensemble.library import POSITIONS, Codes, Floats

COMPONENTS: Final = 128
HIDDEN: Final = 96
BATCH: Final = 256
_RATE: Final = 2e-3
_DECAY: Final = 0.02
_DROPOUT: Final = 0.3


class NetFit(NamedTuple):
    """Networks side by side.

    Attributes:
        first: float32 [n_first, n_components], similarities of a first block -> its components.
        others: float32 [n_others, n_components], likewise of another block.
        weights: Name -> float32 [n_nets, ...].
    """

    first: Floats
    others: Floats
    weights: dict[str, Floats]


def block_components(similarities: Floats, count: int = COMPONENTS) -> Floats:
    """What turns similarities to the training blocks into components.

    Args:
        similarities: float32 [n_blocks, n_blocks], of the training blocks among one another.
        count: Number of components; fewer where there are fewer blocks.

    Returns:
        float32 [n_blocks, count]; components have the mean square 1 over the training blocks.
    """
    size = len(similarities)
    found = min(count, size)
    values, vectors = eigh(similarities.astype(np.float64), subset_by_index=(size - found, size - 1))
    # An eigenvector's sign is arbitrary: its largest entry is made positive.
    vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(found)])
    kept = values > 1e-6 * values[-1]
    scaled = vectors[:, kept] / values[kept]
    scaled *= np.sqrt(size) * np.sqrt(values[kept] / values[-1]) ** 0.5
    components: Floats = scaled[:, ::-1].astype(np.float32)
    return components


def fit_nets(
    codes: Codes,
    binds: NDArray[np.int8],
    similarities: Similarities,
    held_out: NDArray[np.bool_],
    *,
    epochs: int,
    seed: int,
) -> NetFit:
    """Train networks side by side for a fixed number of epochs.

    Args:
        codes: int32 [n, 3], see `make_library`.
        binds: int8 [n, n_targets], labels.
        similarities: Of the blocks.
        held_out: bool [n_nets, n], what each network does not learn from.
        epochs: Passes over the molecules.
        seed: Of weights, order and dropout.
    """
    import tensorflow as tf

    first, others = block_components(similarities.first), block_components(similarities.others)
    weights = {
        name: tf.Variable(value)
        for name, value in _first_weights(
            len(held_out), first.shape[1], others.shape[1], binds.shape[1], np.random.default_rng(seed)
        ).items()
    }
    tables = [tf.constant(similarities.first @ first), tf.constant(similarities.others @ others)]
    counts = (binds != LABEL_UNKNOWN)[None] & ~held_out[:, :, None]
    labels = (binds == LABEL_POSITIVE).astype(np.float32)
    step = _make_step(weights, tables, learning_steps=max(1, epochs * -(-len(codes) // BATCH)))
    order = np.random.default_rng(seed + 1)
    number = 0
    for _ in range(epochs):
        shuffled = order.permutation(len(codes))
        for start in range(0, len(codes), BATCH):
            rows = shuffled[start : start + BATCH]
            step(
                tf.constant(codes[rows]),
                tf.constant(labels[rows]),
                tf.constant(counts[:, rows].astype(np.float32)),
                tf.constant([seed % 2**31, number], tf.int32),
                tf.constant(float(number)),
            )
            number += 1
    return NetFit(first, others, {name: value.numpy() for name, value in weights.items()})


def net_outputs(weights: Any, first: Any, second: Any, third: Any, drop: Any = lambda values: values) -> Any:
    """Log-odds of every network, float32 [n_nets, batch, n_targets], as TensorFlow computes them.

    Args:
        weights: Name -> tensor [n_nets, ...].
        first: Components of first blocks, float32 [batch, n_components].
        second: Components of one of the other blocks.
        third: Components of the other one.
        drop: Dropout, while training.
    """
    import tensorflow as tf

    def block(components: Any, name: str) -> Any:
        return tf.nn.relu(tf.einsum("bi,nih->nbh", components, weights[name]) + weights[f"{name}_bias"])

    a, both = block(first, "first"), block(tf.concat([second, third], axis=0), "others")
    b, c = tf.split(both, 2, axis=1)
    # No tensor is used three times: TensorFlow adds three gradients in the order in which their buffers come free.
    either = b + c
    joined = drop(tf.concat([a, either, a * either, b * c], axis=2))
    hidden = drop(tf.nn.relu(joined @ weights["hidden"] + weights["hidden_bias"]))
    return hidden @ weights["out"] + weights["out_bias"]


def score_nets(fit: NetFit, codes: Codes, similarities: Similarities) -> Floats:
    """Log-odds of molecules whose blocks are in the tables, float32 [n_nets, n, n_targets]."""
    import tensorflow as tf

    first, others = similarities.first @ fit.first, similarities.others @ fit.others
    weights = {name: tf.constant(value) for name, value in fit.weights.items()}
    parts = [
        net_outputs(weights, first[a], others[b], others[c]).numpy()
        for a, b, c in (codes[start : start + 4_096].T for start in range(0, len(codes), 4_096))
    ]
    return np.concatenate(parts, axis=1)


def _first_weights(
    n_nets: int, n_first: int, n_others: int, n_targets: int, generator: np.random.Generator
) -> dict[str, Floats]:
    """He's initial weights; biases are 0."""
    sizes = {
        "first": (n_first, HIDDEN),
        "others": (n_others, HIDDEN),
        "hidden": (4 * HIDDEN, HIDDEN),
        "out": (HIDDEN, n_targets),
    }
    found: dict[str, Floats] = {}
    for name, (rows, columns) in sizes.items():
        scale = np.sqrt((2.0 if name != "out" else 0.1) / rows)
        found[name] = (scale * generator.standard_normal((n_nets, rows, columns))).astype(np.float32)
        found[f"{name}_bias"] = np.zeros((n_nets, 1, columns), np.float32)
    return found


def _make_step(weights: dict[str, Any], tables: list[Any], learning_steps: int) -> Any:
    """A step of AdamW; the rate falls to 0 along half a cosine."""
    import tensorflow as tf

    names = sorted(weights)
    means = {name: tf.Variable(tf.zeros_like(weights[name])) for name in names}
    squares = {name: tf.Variable(tf.zeros_like(weights[name])) for name in names}

    @tf.function
    def step(codes: Any, labels: Any, counts: Any, seed: Any, number: Any) -> None:
        def drop(values: Any) -> Any:
            width = int(values.shape[2])
            kept = tf.random.stateless_uniform(tf.shape(values), seed + tf.constant([0, 1]) * width) >= _DROPOUT
            return values * tf.cast(kept, tf.float32) / (1.0 - _DROPOUT)

        with tf.GradientTape() as tape:
            first, second, third = (tf.gather(tables[min(i, 1)], codes[:, i]) for i in range(POSITIONS))
            odds = net_outputs(weights, first, second, third, drop)
            losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.broadcast_to(labels, tf.shape(odds)), odds) * counts
            loss = tf.reduce_sum(losses) / tf.cast(tf.shape(labels)[0], tf.float32)
        gradients = tape.gradient(loss, [weights[name] for name in names])
        rate = _RATE * 0.5 * (1.0 + tf.cos(np.pi * number / learning_steps))
        for name, gradient in zip(names, gradients, strict=True):
            mean, square = means[name], squares[name]
            mean.assign(0.9 * mean + 0.1 * gradient)
            square.assign(0.999 * square + 0.001 * gradient * gradient)
            corrected = (
                mean / (1.0 - 0.9 ** (number + 1.0)) / (tf.sqrt(square / (1.0 - 0.999 ** (number + 1.0))) + 1e-7)
            )
            weights[name].assign_sub(rate * (corrected + _DECAY * weights[name]))

    return step
