"""Random bits as a function of (seed, position): cheap enough to be recomputed inside a fused kernel.

Random numbers from a general generator cost more than the rest of a training step on a CPU (attention weights need
batch x heads x length x length of them). A counter hashed with the seed gives independent-looking bits in ten integer
operations, which XLA fuses into the multiplication that uses them; nothing is stored for the backward pass.

Source: the multiply-xorshift constants of C. Wellons' `lowbias32` (hash-prospector), whose bias is below 0.2 bits.
"""

import math
from typing import Any, Final

from keras import ops

_GOLDEN: Final = 0x9E3779B9
_MULTIPLIERS: Final = (0x7FEB352D, 0x846CA68B)
_WORD: Final = 2**32
_WORDS: Final = 2  # of a seed, before the number of the first row


def _uint(value: int) -> Any:
    return ops.convert_to_tensor(value, dtype="uint32")


def _mix(counter: Any, key: Any) -> Any:
    """Hash 32-bit words; `key` enters between the rounds, so that two keys never give shifted copies of each other."""
    word = ops.bitwise_xor(counter, ops.right_shift(counter, _uint(16)))
    word = ops.bitwise_xor(word * _uint(_MULTIPLIERS[0]), key)
    word = ops.bitwise_xor(word, ops.right_shift(word, _uint(15))) * _uint(_MULTIPLIERS[1])
    return ops.bitwise_xor(word, ops.right_shift(word, _uint(16)))


def fold_in(seed: Any, number: Any) -> Any:
    """Derive the seed of a part (a layer, a step, a device) from the seed of the whole.

    Args:
        seed: uint32 [2], or [3] with the number of the first row, which is kept; None, where nothing is dropped, stays
            None.
        number: Which part: a non-negative integer, or a uint32 scalar tensor.

    Returns:
        Of the form of `seed`.
    """
    if seed is None:
        return None
    part = ops.cast(number, "uint32") * _uint(_GOLDEN) + _uint(1)
    first = _mix(seed[0] + part, seed[1])
    return ops.concatenate([ops.stack([first, _mix(seed[1] + part, first)]), seed[2:]])


def from_row(seed: Any, row: Any) -> Any:
    """The seed of some of a batch's rows: masks drawn with it are those rows of the masks of the whole batch.

    Args:
        seed: uint32 [2] of the batch, or [3] of some of its rows.
        row: Number of the first row among those that `seed` is for: an integer, or an integer scalar tensor.

    Returns:
        uint32 [3]: the seed, and the number of the first row in the batch.
    """
    first = ops.cast(row, "uint32") + (seed[2] if seed.shape[0] > _WORDS else _uint(0))
    return ops.concatenate([seed[:_WORDS], ops.reshape(first, (1,))])


def keep_mask(shape: tuple[int, ...], rate: float, seed: Any) -> Any:
    """Draw independent Bernoulli variables that are true with probability 1 - rate.

    Args:
        shape: Shape of the result, rows first; fewer than 2^32 elements.
        rate: Probability of false, in [0, 1); quantised to a multiple of 2^-32.
        seed: uint32 [2], or [3] of `from_row`. Equal seeds and shapes give equal masks.

    Returns:
        bool, of the given shape.
    """
    seed = fold_in(seed, 0)  # else seeds that differ in a bit would give masks that resemble each other
    counter = ops.reshape(ops.cast(ops.arange(math.prod(shape), dtype="int32"), "uint32"), shape) + seed[0]
    if seed.shape[0] > _WORDS:
        counter = counter + seed[_WORDS] * _uint(math.prod(shape[1:]))
    return _mix(counter, seed[1]) >= _uint(round(rate * _WORD))
