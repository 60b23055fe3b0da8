"""A small made-up library: blocks of random bits in families, a rule on blocks that decides what binds."""

import numpy as np

from belka.contract import BLOCK_BITS, LABEL_UNKNOWN
from components.ensemble.settings import EnsembleSettings
from components.ensemble.training_data import LabelledMolecules

N_TARGETS = 2
KINDS = ("transformer", "linear", "kernel", "trees", "net")


def made_up_molecules(count: int, seed: int = 0) -> LabelledMolecules:
    """Molecules of 12 first and 24 other blocks; some labels are unknown, and the last three have no blocks."""
    generator = np.random.default_rng(seed)
    families = generator.random((6, BLOCK_BITS)) < 0.02
    first, others = (
        np.stack([families[i % 6] ^ (generator.random(BLOCK_BITS) < 0.005) for i in range(size)]) for size in (12, 24)
    )
    codes = np.column_stack([generator.integers(12, size=count), np.sort(generator.integers(24, size=(count, 2)))])
    parts = np.stack([first[codes[:, 0]], others[codes[:, 1]], others[codes[:, 2]]], axis=1)
    blocks = np.packbits(parts.reshape(count, -1), axis=1)
    blocks[-3:] = 0
    score = (codes[:, 0] % 3 == 0) + 0.5 * (codes[:, 1:] % 4 == 0).sum(axis=1)
    noise = generator.normal(scale=0.3, size=(count, N_TARGETS))
    binds = (score[:, None] * [1.0, 0.8] + noise > 0.8).astype(np.int8)
    binds[generator.random(binds.shape) < 0.2] = LABEL_UNKNOWN
    return LabelledMolecules(np.arange(count), np.packbits(parts.any(axis=1), axis=1), blocks, binds, count)


def small_settings(**changes: object) -> EnsembleSettings:
    """Settings that take a second."""
    values = {"rounds": 3, "landmarks": 60, "trees": 12, "net_epochs": 2, "linear_strengths": (0.1,)}
    return EnsembleSettings(**(values | changes))  # type: ignore[arg-type]
