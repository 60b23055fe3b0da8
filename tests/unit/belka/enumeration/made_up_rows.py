"""Libraries of blocks of random bits, and every product scored, for comparison."""

import itertools

import numpy as np
from numpy.typing import NDArray

from belka.enumeration.block_rows import BlockRows
from belka.enumeration.library import ProductBlock, ProductLibrary


def blocks(count: int) -> tuple[ProductBlock, ...]:
    return tuple(ProductBlock(f"B{i:03d}", f"N{i:03d}") for i in range(count))


def made_up(
    sizes: tuple[int, int, int, int], n_bits: int, seed: int, *, kinds: int = 2, share: float = 0.2
) -> tuple[ProductLibrary, BlockRows]:
    """Blocks of first position, amines of both lists, of the second and of the third alone; bits at random."""
    first, both, only_second, only_third = sizes
    generator = np.random.default_rng(seed)
    n_amines = both + only_second + only_third
    places = generator.permutation(n_amines)
    library = ProductLibrary(
        blocks(first),
        blocks(n_amines),
        np.sort(places[: both + only_second]),
        np.sort(np.delete(places, np.s_[both : both + only_second])),
    )

    def bits(count: int) -> NDArray[np.uint8]:
        return np.packbits(generator.random((count, n_bits)) < share, axis=1)

    cores = {tuple(sorted(triple)): bits(1)[0] for triple in itertools.product(range(kinds), repeat=3)}
    return library, BlockRows(
        bits(first),
        bits(n_amines),
        generator.integers(kinds, size=first),
        generator.integers(kinds, size=n_amines),
        cores,  # type: ignore[arg-type]
    )


def every_product(library: ProductLibrary) -> NDArray[np.int64]:
    """Each molecule once: of two orders of two amines the ascending one, where both are products."""
    second, third = set(library.second.tolist()), set(library.third.tolist())
    found: dict[tuple[int, int, int], tuple[int, int, int]] = {}
    for a, b, c in itertools.product(range(len(library.first)), library.second.tolist(), library.third.tolist()):
        key = (a, *sorted((b, c)))
        orders = [
            pair for pair in ((min(b, c), max(b, c)), (max(b, c), min(b, c))) if pair[0] in second and pair[1] in third
        ]
        found[key] = (a, *orders[0])
    return np.array(sorted(found.values()), np.int64)
