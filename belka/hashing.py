"""One seeded scattering of integers over 64 bits."""

import numpy as np
import numpy.typing as npt


def splitmix64(values: npt.NDArray[np.integer], step: int = 1) -> npt.NDArray[np.uint64]:
    """Scatter integers evenly over 64 bits; the order of the results is a random order of the values.

    Args:
        values: Integers of 64 bits [n].
        step: How often the generator's constant is added first; another step gives an unrelated order.

    Returns:
        uint64 [n]; different for different values, and the same for the same value, whatever the batch it comes in.

    Source: Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    x = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15 * step % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
