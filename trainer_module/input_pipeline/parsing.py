"""Serialized Examples to arrays, a batch at a time."""

from typing import Any, Final

import tensorflow as tf

from components.data_contract import (
    FEATURE_BINDS,
    FEATURE_ECFP,
    FEATURE_SPLIT_GROUP,
    FEATURE_TOKENS,
    LABEL_NEGATIVE,
    LABEL_UNKNOWN,
)
from trainer_module.settings import ECFP_BITS

ECFP_BYTES: Final = ECFP_BITS // 8


def parse_examples(
    serialized: Any,
    *,
    vocab_size: int,
    max_length: int,
    n_targets: int = 0,
    with_ecfp: bool = False,
    with_group: bool = False,
) -> dict[str, Any]:
    """Parse Examples.

    Args:
        serialized: String [batch].
        vocab_size: Token ids must be below it.
        max_length: Longer molecules are cut here.
        n_targets: Width of the label vector; 0 leaves the labels out.
        with_ecfp: Whether to read the fingerprint.
        with_group: Whether to read the split group.

    Returns:
        `tokens`: int32 [batch, max_length], PAD after the last; and as asked `binds`: int32 [batch, n_targets], `ecfp`: uint8
        [batch, 256] (packed bits), `split_group`: int32 [batch].

    Raises:
        tf.errors.InvalidArgumentError: When run, if a token id or a label is out of range, or a feature is missing.
    """
    spec: dict[str, Any] = {FEATURE_TOKENS: tf.io.RaggedFeature(tf.int64)}
    if n_targets:
        spec[FEATURE_BINDS] = tf.io.FixedLenFeature([n_targets], tf.int64)
    if with_ecfp:
        spec[FEATURE_ECFP] = tf.io.FixedLenFeature([], tf.string)
    if with_group:
        spec[FEATURE_SPLIT_GROUP] = tf.io.FixedLenFeature([], tf.int64)
    parsed = tf.io.parse_example(serialized, spec)

    tokens = parsed[FEATURE_TOKENS].to_tensor(shape=[None, max_length])
    largest = tf.debugging.assert_less(
        tokens, tf.cast(vocab_size, tf.int64), message="A token id of the Examples is not in the vocabulary"
    )
    with tf.control_dependencies([largest]):
        features = {FEATURE_TOKENS: tf.cast(tokens, tf.int32)}
    if n_targets:
        binds = parsed[FEATURE_BINDS]
        checks = [
            tf.debugging.assert_greater_equal(binds, tf.cast(LABEL_NEGATIVE, tf.int64), message="A label is below 0"),
            tf.debugging.assert_less_equal(
                binds, tf.cast(LABEL_UNKNOWN, tf.int64), message="A label is above 2 (unknown)"
            ),
        ]
        with tf.control_dependencies(checks):
            features[FEATURE_BINDS] = tf.cast(binds, tf.int32)
    if with_ecfp:
        features[FEATURE_ECFP] = tf.reshape(tf.io.decode_raw(parsed[FEATURE_ECFP], tf.uint8), [-1, ECFP_BYTES])
    if with_group:
        features[FEATURE_SPLIT_GROUP] = tf.cast(parsed[FEATURE_SPLIT_GROUP], tf.int32)
    return features
