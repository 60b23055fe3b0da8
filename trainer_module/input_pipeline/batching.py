"""Molecules of similar length share a batch; every batch has one of a few static shapes."""

from collections.abc import Sequence
from typing import Any, Final

import tensorflow as tf
from einops import rearrange

from belka.contract import FEATURE_TOKENS, PAD_ID

ROW_WEIGHT: Final = "row_weight"  # float32 [batch]: 1 for a molecule, 0 for a row that only fills the batch


def padded_lengths(boundaries: Sequence[int], max_length: int) -> tuple[int, ...]:
    """Return the lengths batches are padded to: the boundaries below `max_length`, then `max_length`, ascending."""
    return (*(bound for bound in boundaries if bound < max_length), max_length)


def count_tokens(tokens: Any) -> Any:
    """Return the number of tokens of each molecule, PAD left out: int32 [batch]."""
    return tf.reduce_sum(tf.cast(tokens != PAD_ID, tf.int32), axis=1)


def split_by_length(features: dict[str, Any], *, batch_size: int, lengths: tuple[int, ...], seed: Any = None) -> Any:
    """Cut a window of molecules into batches of similar length.

    The molecules are ordered by padded length, molecules of equal padded length stay in their (shuffled) order, and the
    order of the batches is shuffled. A batch across two padded lengths takes the longer one; the last one is filled up
    with PAD rows of weight 0. So no molecule is lost or repeated, and all batches have one of `len(lengths)` shapes.

    Args:
        features: Arrays with equal first dimension n; `tokens` is int32 [n, max(lengths)].
        batch_size: Rows of each batch.
        lengths: Padded lengths, ascending; the last holds every molecule.
        seed: int64 [2] to shuffle the order of the batches; None keeps it ascending.

    Returns:
        Dataset of batches: the features with the first dimension `batch_size`, and `row_weight`; `tokens` is not yet
        cut to its padded length (see `cut_padding`).
    """
    sizes = count_tokens(features[FEATURE_TOKENS])
    rows = tf.size(sizes)
    order = tf.argsort(tf.searchsorted(tf.constant(lengths), sizes), stable=True)
    batches = (rows + batch_size - 1) // batch_size
    filler = batches * batch_size - rows
    pieces = {ROW_WEIGHT: tf.concat([tf.ones([rows]), tf.zeros([filler])], axis=0)}
    for name, values in features.items():
        padding = [[0, filler], *([[0, 0]] * (values.shape.rank - 1))]
        pieces[name] = tf.pad(tf.gather(values, order), padding)
    pieces = {
        name: rearrange(values, "(batches rows) ... -> batches rows ...", rows=batch_size)
        for name, values in pieces.items()
    }
    if seed is not None:
        shuffled = tf.argsort(tf.random.stateless_uniform([batches], seed), stable=True)
        pieces = {name: tf.gather(values, shuffled) for name, values in pieces.items()}
    return tf.data.Dataset.from_tensor_slices(pieces)


def cut_padding(features: dict[str, Any], lengths: tuple[int, ...]) -> dict[str, Any]:
    """Cut the tokens of one batch to the shortest padded length that holds them all."""
    tokens = features[FEATURE_TOKENS]
    longest = tf.reduce_max(count_tokens(tokens))
    table = tf.constant(lengths)
    length = table[tf.searchsorted(table, longest[None])[0]]
    return {**features, FEATURE_TOKENS: tokens[:, :length]}
