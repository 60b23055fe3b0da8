"""Molecules of BELKA's length as arrays, the arithmetic of a step, and what matrix products this machine reaches."""

import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from belka.contract import FEATURE_TOKENS, FIRST_TOKEN_ID
from trainer_module.input_pipeline.batching import cut_padding, padded_lengths, split_by_length
from trainer_module.settings import ModelSettings

VOCAB_SIZE: Final = 43
N_TARGETS: Final = 3
# Real BELKA molecules: 5% have 55 tokens or fewer, half 66, 95% 82, 99% 89, the longest about 110.
_MEAN_LENGTH, _LENGTH_DEVIATION, _SHORTEST, _LONGEST = 67.0, 8.5, 35, 110
_PEAK_SIZE: Final = 2048
_PEAK_REPEATS: Final = 8


@dataclass(frozen=True)
class Sample:
    """Random molecules and labels.

    Attributes:
        tokens: int32 [n, max_length], PAD (0) after the last token.
        labels: int32 [n, n_targets], 2 = unknown.
    """

    tokens: NDArray[np.int32]
    labels: NDArray[np.int32]

    def batches(self, batch_size: int, boundaries: tuple[int, ...]) -> list[tuple[Any, Any]]:
        """Cut into batches of `(tokens, labels)` as the input pipeline does; no boundaries: all padded to the end."""
        lengths = padded_lengths(boundaries, self.tokens.shape[1])
        arrays = {FEATURE_TOKENS: tf.constant(self.tokens), "labels": tf.constant(self.labels)}
        cut = split_by_length(arrays, batch_size=batch_size, lengths=lengths)
        return [(batch[FEATURE_TOKENS], batch["labels"]) for batch in (cut_padding(part, lengths) for part in cut)]


def draw_sample(molecules: int, max_length: int) -> Sample:
    """Draw molecules with the lengths of BELKA's; the same number gives the same molecules."""
    generator = np.random.default_rng(molecules)
    lengths = np.clip(generator.normal(_MEAN_LENGTH, _LENGTH_DEVIATION, molecules).round(), _SHORTEST, _LONGEST)
    tokens = generator.integers(FIRST_TOKEN_ID, VOCAB_SIZE, (molecules, max_length)).astype(np.int32)
    tokens[np.arange(max_length) >= lengths[:, None]] = 0
    return Sample(tokens, generator.integers(0, 3, (molecules, N_TARGETS)).astype(np.int32))


def matrix_flops(settings: ModelSettings, length: float) -> float:
    """Floating-point operations of the matrix products of one molecule's forward pass, the head aside.

    Args:
        settings: Architecture.
        length: Tokens.
    """
    width, heads = settings.depth, settings.num_heads
    projections = 4 * width * width * heads
    feed_forward = 2 * width * 2 * width
    attention = 2 * length * width * heads
    return 2 * length * settings.num_layers * (projections + feed_forward + attention)


def peak_note(peak: float, mean_length: float, needed: float) -> str:
    """Say what a molecule needs of the machine's arithmetic."""
    return (
        f"matrix products reach {peak / 1e9:.0f} GFLOP/s here; "
        f"a molecule of {mean_length:.0f} tokens needs {needed / 1e6:.0f} MFLOP"
    )


def measure_matmul_peak() -> float:
    """Return the floating-point operations per second of a large float32 matrix product on all cores."""
    matrix = tf.random.stateless_normal([_PEAK_SIZE, _PEAK_SIZE], [1, 2])
    multiply = tf.function(lambda values: tf.linalg.matmul(values, values), autograph=False)
    float(multiply(matrix)[0, 0])
    start = time.perf_counter()
    for _ in range(_PEAK_REPEATS):
        result = multiply(matrix)
    float(result[0, 0])
    return _PEAK_REPEATS * 2.0 * _PEAK_SIZE**3 / (time.perf_counter() - start)
