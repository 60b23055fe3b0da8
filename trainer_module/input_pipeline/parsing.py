"""Serialized Examples to arrays, a batch at a time."""

from typing import Any

import tensorflow as tf

from belka.contract import (
    FEATURE_BINDS,
    FEATURE_DESCRIPTORS,
    FEATURE_ECFP,
    FEATURE_SPLIT_GROUP,
    FEATURE_TOKENS,
    LABEL_NEGATIVE,
    LABEL_UNKNOWN,
)


def parse_examples(
    serialized: Any,
    *,
    vocab_size: int,
    max_length: int,
    n_targets: int = 0,
    ecfp_size: int = 0,
    n_descriptors: int = 0,
    with_group: bool = False,
) -> dict[str, Any]:
    """Parse Examples.

    Args:
        serialized: String [batch].
        vocab_size: Token ids must be below it.
        max_length: Longer molecules are cut here.
        n_targets: Width of the label vector; 0 leaves the labels out.
        ecfp_size: Bits of the fingerprint; 0 leaves it out.
        n_descriptors: Width of the vector of descriptors; 0 leaves it out.
        with_group: Whether to read the split group.

    Returns:
        `tokens`: int32 [batch, max_length], PAD after the last; and as asked `binds`: int32 [batch, n_targets], `ecfp`:
        uint8 [batch, ecfp_size / 8] (packed bits), `descriptors`: float32 [batch, n_descriptors], `split_group`: int32
        [batch].

    Raises:
        tf.errors.InvalidArgumentError: When run, if a token id or a label is out of range, or a feature is missing.
    """
    spec: dict[str, Any] = {FEATURE_TOKENS: tf.io.RaggedFeature(tf.int64)}
    if n_targets:
        spec[FEATURE_BINDS] = tf.io.FixedLenFeature([n_targets], tf.int64)
    if ecfp_size:
        spec[FEATURE_ECFP] = tf.io.FixedLenFeature([], tf.string)
    if n_descriptors:
        spec[FEATURE_DESCRIPTORS] = tf.io.FixedLenFeature([n_descriptors], tf.float32)
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
        features[FEATURE_BINDS] = _labels(parsed[FEATURE_BINDS])
    if ecfp_size:
        features[FEATURE_ECFP] = unpack_bytes(parsed[FEATURE_ECFP], ecfp_size)
    if n_descriptors:
        features[FEATURE_DESCRIPTORS] = parsed[FEATURE_DESCRIPTORS]
    if with_group:
        features[FEATURE_SPLIT_GROUP] = tf.cast(parsed[FEATURE_SPLIT_GROUP], tf.int32)
    return features


def _labels(binds: Any) -> Any:
    """Labels, int64 [batch, n_targets], as int32, each of which must be a code."""
    checks = [
        tf.debugging.assert_greater_equal(binds, tf.cast(LABEL_NEGATIVE, tf.int64), message="A label is below 0"),
        tf.debugging.assert_less_equal(binds, tf.cast(LABEL_UNKNOWN, tf.int64), message="A label is above 2 (unknown)"),
    ]
    with tf.control_dependencies(checks):
        return tf.cast(binds, tf.int32)


def unpack_bytes(packed: Any, ecfp_size: int) -> Any:
    """Turn packed fingerprints, string [batch], into their bytes, uint8 [batch, ecfp_size / 8].

    Raises:
        tf.errors.InvalidArgumentError: When run, if a fingerprint has another size.
    """
    size = ecfp_size // 8
    check = tf.debugging.assert_equal(
        tf.strings.length(packed), size, message=f"A fingerprint has not {ecfp_size} bits"
    )
    with tf.control_dependencies([check]):
        return tf.ensure_shape(tf.reshape(tf.io.decode_raw(packed, tf.uint8), [-1, size]), [None, size])
