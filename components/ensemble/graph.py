"""The members as a TensorFlow graph: what numpy computed in training, from the bytes of `ecfp` and `blocks` alone."""

from typing import Any, Final

import numpy as np
import tensorflow as tf

from components.ensemble.kernel import KernelFit
from components.ensemble.library import POSITIONS, BlockLibrary, Codes, Floats
from components.ensemble.linear import LinearFit
from components.ensemble.net import NetFit, net_outputs
from components.ensemble.odds import POWERS, SHRINKAGE, Counts, counts_prior, raised
from components.ensemble.trees import STEPS, Forest

_SHIFTS: Final = np.arange(7, -1, -1, dtype=np.uint8)


def unpack_bits(packed: Any, n_bytes: int) -> Any:
    """Bits that `numpy.packbits` packed.

    Args:
        packed: string [batch], each of `n_bytes`.
        n_bytes: Bytes of each.

    Returns:
        float32 [batch, 8 * n_bytes] of 0 and 1.
    """
    raw = tf.ensure_shape(tf.io.decode_raw(packed, tf.uint8, fixed_length=n_bytes), [None, n_bytes])
    bits = tf.bitwise.bitwise_and(tf.bitwise.right_shift(raw[:, :, None], _SHIFTS), np.uint8(1))
    return tf.cast(tf.reshape(bits, [-1, 8 * n_bytes]), tf.float32)


class LibraryGraph(tf.Module):
    """Similarity of any blocks to those of the training molecules.

    Args:
        library: The training blocks.
    """

    def __init__(self, library: BlockLibrary) -> None:
        super().__init__()
        tables = [np.unpackbits(packed, axis=1).astype(np.float32) for packed in library]
        self._tables = [constant(np.ascontiguousarray(bits.T)) for bits in tables]
        self._sizes = [constant(bits.sum(axis=1)) for bits in tables]
        self._n_bytes = library.first.shape[1]

    def __call__(self, blocks: Any) -> tuple[Any, Any, Any]:
        """Tanimoto similarities.

        Args:
            blocks: string [batch], the feature `blocks`, empty nowhere.

        Returns:
            float32 [batch, n_first], and twice float32 [batch, n_others].
        """
        n_bits = 8 * self._n_bytes
        bits = unpack_bits(blocks, POSITIONS * self._n_bytes)
        return (
            self._similarity(bits[:, :n_bits], 0),
            self._similarity(bits[:, n_bits : 2 * n_bits], 1),
            self._similarity(bits[:, 2 * n_bits :], 1),
        )

    def _similarity(self, bits: Any, table: int) -> Any:
        common = bits @ self._tables[table]
        either = tf.reduce_sum(bits, axis=1)[:, None] + self._sizes[table][None, :] - common
        return common / tf.maximum(either, 1.0)


class LinearGraph(tf.Module):
    """The logistic regression."""

    def __init__(self, fit: LinearFit) -> None:
        super().__init__()
        self._weights, self._bias = constant(fit.weights), constant(fit.bias)
        self.n_bytes = len(fit.weights) // 8

    def __call__(self, ecfp: Any) -> Any:
        """Log-odds, float32 [batch, n_targets], of packed bits, string [batch]."""
        return unpack_bits(ecfp, self.n_bytes) @ self._weights + self._bias


class KernelGraph(tf.Module):
    """The kernel regression.

    Args:
        fit: Weights of the landmarks.
        landmarks: int32 [n_landmarks, 3], their codes.
        offset: Added to each similarity.
    """

    def __init__(self, fit: KernelFit, landmarks: Codes, offset: float) -> None:
        super().__init__()
        self._weights, self._bias = constant(fit.weights), constant(fit.bias)
        self._landmarks = [constant(np.ascontiguousarray(column)) for column in landmarks.T]
        self._offset = np.float32(offset)

    def __call__(self, first: Any, second: Any, third: Any) -> Any:
        """Scores, float32 [batch, n_targets], of similarities as `LibraryGraph` returns them."""
        a, b, c = ((each + self._offset) / (np.float32(1) + self._offset) for each in (first, second, third))
        _, one, two = self._landmarks
        pairs = self._at(b, one) * self._at(c, two) + self._at(c, one) * self._at(b, two)
        return (self._at(a, self._landmarks[0]) * pairs) @ self._weights + self._bias

    @staticmethod
    def _at(similarities: Any, codes: Any) -> Any:
        return tf.gather(similarities, codes, axis=1)


class OddsGraph(tf.Module):
    """The smoothed log-odds of blocks and pairs of blocks, and what they rest on."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self._shape = counts.first.shape[:2]
        self._prior = constant(np.float32(SHRINKAGE) * counts_prior(counts))
        rows = [tf.transpose(tf.reshape(table, [-1, table.shape[2]])) for table in (counts.first, counts.others)]
        self._first, self._others = (constant(each.numpy()) for each in rows)
        self._first_pairs, self._other_pairs = (
            constant(np.ascontiguousarray(table.transpose(2, 0, 1, 3).reshape(table.shape[2], -1)))
            for table in (counts.first_pairs, counts.other_pairs)
        )

    def __call__(self, first: Any, second: Any, third: Any) -> Any:
        """Features as `odds_features` computes them, float32 [batch, n_targets * PER_TARGET]."""
        found = []
        for power in POWERS:
            a, b, c = (raised(each, power) for each in (first, second, third))
            with_first = self._joined(a, self._first_pairs)
            smoothed = [
                a @ self._first,
                b @ self._others,
                c @ self._others,
                _dot(with_first, b),
                _dot(with_first, c),
                _dot(self._joined(b, self._other_pairs), c),
            ]
            for values in ([self._log_odds(each) for each in smoothed], [self._support(each) for each in smoothed]):
                found += [values[0], *_sorted(*values[1:3]), *_sorted(*values[3:5]), values[5]]
        return tf.reshape(tf.stack(found, axis=2), [-1, self._shape[1] * len(found)])

    def _joined(self, similarities: Any, pairs: Any) -> Any:
        """Counts by the pairs' other block, float32 [batch, 2 * n_targets, n_others]."""
        return tf.reshape(similarities @ pairs, [-1, self._shape[0] * self._shape[1], self._others.shape[0]])

    def _log_odds(self, smoothed: Any) -> Any:
        shrunk = tf.reshape(smoothed, [-1, *self._shape]) + self._prior
        return tf.math.log(shrunk[:, 1] / shrunk[:, 0])

    def _support(self, smoothed: Any) -> Any:
        return tf.math.log1p(tf.reduce_sum(tf.reshape(smoothed, [-1, *self._shape]), axis=1))


class ForestGraph(tf.Module):
    """Boosted trees: every tree goes down one step at a time, all at once."""

    def __init__(self, forest: Forest) -> None:
        super().__init__()
        self._n_targets, self._n_trees, n_nodes = forest.feature.shape
        roots = np.arange(self._n_targets * self._n_trees, dtype=np.int32) * n_nodes
        self._roots = constant(roots)
        starts = roots.reshape(self._n_targets, self._n_trees, 1)
        self._feature, self._threshold, self._value, self._left, self._right = (
            constant(np.ascontiguousarray(values.reshape(-1)))
            for values in (forest.feature, forest.threshold, forest.value, forest.left + starts, forest.right + starts)
        )
        self._bias, self._depth = constant(forest.bias), forest.depth

    def __call__(self, features: Any) -> Any:
        """Log-odds, float32 [batch, n_targets], of features, float32 [batch, n_features]."""
        features = tf.round(features * STEPS) / STEPS
        nodes = tf.tile(self._roots[None, :], [tf.shape(features)[0], 1])
        for _ in range(self._depth):
            values = tf.gather(features, tf.gather(self._feature, nodes), batch_dims=1)
            is_left = values <= tf.gather(self._threshold, nodes)
            nodes = tf.where(is_left, tf.gather(self._left, nodes), tf.gather(self._right, nodes))
        added = tf.reshape(tf.gather(self._value, nodes), [-1, self._n_targets, self._n_trees])
        return tf.reduce_sum(added, axis=2) + self._bias


class NetGraph(tf.Module):
    """The networks on blocks, averaged."""

    def __init__(self, fit: NetFit) -> None:
        super().__init__()
        self._first, self._others = constant(fit.first), constant(fit.others)
        self._weights = {name: constant(value) for name, value in fit.weights.items()}

    def __call__(self, first: Any, second: Any, third: Any) -> Any:
        """Log-odds, float32 [batch, n_targets], of similarities as `LibraryGraph` returns them."""
        outputs = net_outputs(self._weights, first @ self._first, second @ self._others, third @ self._others)
        return tf.reduce_mean(outputs, axis=0)


def constant(values: Floats | Codes) -> Any:
    """A value that the SavedModel keeps beside the graph, whose size is bounded."""
    return tf.Variable(values, trainable=False)


def _dot(left: Any, right: Any) -> Any:
    return tf.reduce_sum(left * right[:, None, :], axis=2)


def _sorted(left: Any, right: Any) -> list[Any]:
    return [tf.minimum(left, right), tf.maximum(left, right)]
