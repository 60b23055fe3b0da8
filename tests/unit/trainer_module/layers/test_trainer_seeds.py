"""The hashed random bits behave as independent Bernoulli variables."""

import numpy as np
import pytest
import tensorflow as tf

from trainer_module.layers.seeds import fold_in, from_row, keep_mask

SHAPE = (64, 8, 40, 40)


def seed_of(first: int, second: int) -> tf.Tensor:
    return tf.constant([first, second], tf.uint32)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_the_rate_is_right_in_every_row_and_column(rate: float) -> None:
    dropped = ~keep_mask(SHAPE, rate, fold_in(seed_of(7, 1), 0)).numpy()
    for axis in range(4):
        counts = dropped.sum(axis=tuple(other for other in range(4) if other != axis))
        number = dropped.size // len(counts)
        deviations = (counts - number * rate) / np.sqrt(number * rate * (1 - rate))
        assert np.abs(deviations).max() < 4.5
        assert 0.5 < deviations.std() < 1.5


@pytest.mark.parametrize("distance", [1, 2, 40, 1600, 12800])
def test_neighbours_are_uncorrelated(distance: int) -> None:
    dropped = ~keep_mask(SHAPE, 0.1, fold_in(seed_of(7, 1), 3)).numpy().ravel()
    correlation = np.corrcoef(dropped[:-distance], dropped[distance:])[0, 1]
    assert abs(correlation) < 5 / np.sqrt(dropped.size)


def test_steps_layers_and_seeds_are_uncorrelated() -> None:
    root = seed_of(42, 0x5EED)
    seeds = [
        fold_in(fold_in(fold_in(root, step), layer), part) for step in range(4) for layer in range(3) for part in (0, 1)
    ]
    masks = np.stack([keep_mask((200_000,), 0.1, seed).numpy() for seed in seeds]).astype(float)
    correlations = np.corrcoef(masks)[np.triu_indices(len(seeds), 1)]
    assert np.abs(correlations).max() < 5.5 / np.sqrt(masks.shape[1])


def test_steps_do_not_give_shifted_copies() -> None:
    first, second = (keep_mask((4096,), 0.5, fold_in(seed_of(1, 2), step)).numpy() for step in (0, 1))
    spectrum = np.fft.ifft(np.fft.fft(first - 0.5) * np.conj(np.fft.fft(second - 0.5))).real / (0.25 * 4096)
    assert np.abs(spectrum).max() < 6 / np.sqrt(4096)


def test_eager_graph_and_compiled_masks_are_equal() -> None:
    seed = seed_of(3, 4)
    expected = keep_mask((5, 7), 0.3, seed).numpy()
    compiled = tf.function(lambda value: keep_mask((5, 7), 0.3, value), jit_compile=True)
    np.testing.assert_array_equal(compiled(seed), expected)


@pytest.mark.parametrize("start", [0, 1, 7])
def test_the_masks_of_some_rows_are_those_rows_of_the_masks_of_the_batch(start: int) -> None:
    seed = fold_in(seed_of(3, 4), 5)
    whole = keep_mask((10, 4, 6), 0.3, fold_in(seed, 2)).numpy()
    rows = keep_mask((3, 4, 6), 0.3, fold_in(from_row(seed, start), 2)).numpy()
    np.testing.assert_array_equal(rows, whole[start : start + 3])
    # Parts of parts, as micro-batches of a replica are.
    last = keep_mask((1, 4, 6), 0.3, fold_in(from_row(from_row(seed, start), 2), 2)).numpy()
    np.testing.assert_array_equal(last, whole[start + 2 : start + 3])
