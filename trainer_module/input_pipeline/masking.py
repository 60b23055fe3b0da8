"""Masking for the masked language model."""

from typing import Any, Final

import tensorflow as tf

from belka.contract import FIRST_TOKEN_ID, MASK_ID, PAD_ID
from trainer_module.losses.categorical_loss import NOT_MASKED

_SHARE_MASK: Final = 0.8
_SHARE_RANDOM: Final = 0.1


def mask_tokens(tokens: Any, *, rate: float, vocab_size: int, seed: Any) -> tuple[Any, Any]:
    """Choose positions and hide their tokens: 80% become MASK, 10% a random token, 10% stay.

    Each non-PAD position is chosen independently; random tokens are real ones, never PAD or MASK.

    Source: Devlin et al., BERT, NAACL 2019, section 3.1.

    Args:
        tokens: int32 [batch, length].
        rate: Probability that a position is chosen.
        vocab_size: Size of the vocabulary, PAD and MASK included.
        seed: int64 [2]; equal seeds give equal masks.

    Returns:
        The hidden tokens, int32 [batch, length]; the labels, int32 [batch, length, 2]: the id at chosen positions, else
        -1, and the ids before hiding.
    """
    seeds = tf.random.split(seed, 3)
    shape = tf.shape(tokens)
    chosen = tf.random.stateless_uniform(shape, seeds[0]) < rate
    chosen = tf.logical_and(chosen, tokens != PAD_ID)
    fate = tf.random.stateless_uniform(shape, seeds[1])
    random_tokens = tf.random.stateless_uniform(shape, seeds[2], FIRST_TOKEN_ID, vocab_size, tf.int32)
    replaced = tf.where(
        fate < _SHARE_MASK, MASK_ID, tf.where(fate < _SHARE_MASK + _SHARE_RANDOM, random_tokens, tokens)
    )
    hidden = tf.where(chosen, replaced, tokens)
    return hidden, tf.stack([tf.where(chosen, tokens, NOT_MASKED), tokens], axis=-1)
