"""The members beside the transformer: each learns from all molecules, and out of fold for what is learnt from it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from components.ensemble.blend import binary_loss
from components.ensemble.kept import Arrays, kept
from components.ensemble.kernel import KernelFit, KernelSums, Similarities
from components.ensemble.library import BlockLibrary, Codes, Floats, make_library, tanimoto
from components.ensemble.linear import LinearFit, fit_linear, score_linear, sparse_bits
from components.ensemble.net import NetFit, fit_nets, score_nets
from components.ensemble.odds import Counts, count_blocks, odds_features
from components.ensemble.out_of_fold import out_of_fold, rows_of
from components.ensemble.rounds import hold_out
from components.ensemble.settings import EnsembleSettings
from components.ensemble.training_data import LabelledMolecules
from components.ensemble.trees import Forest, fit_trees, make_forest, score_trees

logger = logging.getLogger(__name__)

_STRENGTH_ROUNDS: Final = 3  # the first ones choose C
BLEND_ROUNDS: Final = 3  # their molecules suffice for the blend's weights, and each costs another network


@dataclass(frozen=True)
class Training:
    """What the members learn from and how.

    Attributes:
        molecules: The molecules.
        settings: The section `ensemble`.
        seed: Of rounds, landmarks, trees and networks.
        folder: Keeps finished members.
    """

    molecules: LabelledMolecules
    settings: EnsembleSettings
    seed: int
    folder: Path

    @cached_property
    def binds(self) -> NDArray[np.int8]:
        """Labels, int8 [n, n_targets]."""
        return self.molecules.binds

    @cached_property
    def with_blocks(self) -> NDArray[np.int64]:
        """Rows of the molecules that have blocks."""
        return np.flatnonzero(self.molecules.has_blocks)

    @cached_property
    def _numbered(self) -> tuple[BlockLibrary, Codes]:
        return make_library(self.molecules.blocks[self.with_blocks])

    @property
    def library(self) -> BlockLibrary:
        """The blocks of the molecules."""
        return self._numbered[0]

    @property
    def codes(self) -> Codes:
        """Of the molecules with blocks."""
        return self._numbered[1]

    @cached_property
    def similarities(self) -> Similarities:
        """Of the blocks."""
        return Similarities(*(tanimoto(table, table) for table in self.library))

    @cached_property
    def held_out(self) -> NDArray[np.bool_]:
        """What each round holds out, bool [n_rounds, n]."""
        codes = np.full((len(self.binds), 3), -1, np.int32)
        codes[self.with_blocks] = self.codes
        return hold_out(codes, self.settings.rounds, self.seed)

    @cached_property
    def block_rounds(self) -> NDArray[np.bool_]:
        """`held_out` of the molecules with blocks."""
        return self.held_out[:, self.with_blocks]

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The molecule of each row of scores out of fold, int64 [n_rows]."""
        return rows_of(self.held_out)

    @cached_property
    def rows_with_blocks(self) -> NDArray[np.int64]:
        """Which of these rows have blocks: those that members on blocks score, in their order."""
        return np.flatnonzero(self.molecules.has_blocks[self.rows])

    @cached_property
    def block_binds(self) -> NDArray[np.int8]:
        """`binds` of the molecules with blocks."""
        return self.binds[self.with_blocks]


def train_linear(training: Training) -> Arrays:
    """Logistic regression; its strength is the one with the least loss out of fold, for each target."""

    def make() -> Arrays:
        bits, binds, options = sparse_bits(training.molecules.ecfp), training.binds, training.settings.linear_strengths

        def scores(strengths: Sequence[float], held: NDArray[np.bool_]) -> Floats:
            return score_linear(fit_linear(bits[~held], binds[~held], strengths), bits[held])

        rounds, first = training.held_out, training.held_out[:_STRENGTH_ROUNDS]
        losses = [
            binary_loss(out_of_fold(first, partial(scores, [strength] * binds.shape[1])), binds[rows_of(first)])
            for strength in (options if len(options) > 1 else ())
        ]
        chosen = [options[i] for i in np.argmin(losses, axis=0)] if losses else [options[0]] * binds.shape[1]
        fit = fit_linear(bits, binds, chosen)
        found = out_of_fold(rounds, partial(scores, chosen))
        return {"weights": fit.weights, "bias": fit.bias, "strengths": np.array(chosen), "out_of_fold": found}

    return kept(training.folder, "linear", make)


def train_kernel(training: Training) -> Arrays:
    """Ridge regression with the kernel of blocks."""

    def make() -> Arrays:
        settings, codes = training.settings, training.codes
        generator = np.random.default_rng(training.seed)
        chosen = np.sort(generator.permutation(len(codes))[: settings.landmarks])
        sums = KernelSums(codes, training.block_binds, codes[chosen], training.similarities, settings.kernel_offset)
        fit = sums.fit(settings.kernel_penalty)
        found = out_of_fold(
            training.block_rounds, lambda held: sums.score(sums.fit(settings.kernel_penalty, held), codes[held])
        )
        return {"weights": fit.weights, "bias": fit.bias, "landmarks": codes[chosen], "out_of_fold": found}

    return kept(training.folder, "kernel", make)


def train_odds(training: Training) -> Arrays:
    """Smoothed odds of blocks and pairs, what the trees read; no member by itself."""

    def make() -> Arrays:
        codes, binds, sizes = training.codes, training.block_binds, (len(training.library[0]), len(training.library[1]))

        def scores(held: NDArray[np.bool_]) -> Floats:
            counts = count_blocks(codes[~held], binds[~held], sizes)
            return odds_features(counts, training.similarities, codes[held])

        counts = count_blocks(codes, binds, sizes)
        return {**counts._asdict(), "out_of_fold": out_of_fold(training.block_rounds, scores)}

    return kept(training.folder, "odds", make)


def train_trees(training: Training, kernel: Arrays, odds: Arrays) -> Arrays:
    """Boosted trees on the odds and what the kernel says out of fold."""

    def make() -> Arrays:
        features, settings = np.concatenate([odds["out_of_fold"], kernel["out_of_fold"]], axis=1), training.settings
        rounds, rows = training.block_rounds, rows_of(training.block_rounds)
        starts = np.cumsum([0, *rounds.sum(axis=1)])
        binds = training.block_binds[rows]

        def scores(number: int) -> Floats:
            others, mine = ~rounds[number][rows], slice(starts[number], starts[number + 1])
            return score_trees(fit_trees(features[others], binds[others], settings, training.seed), features[mine])

        forest = make_forest(fit_trees(features, binds, settings, training.seed))
        found = np.concatenate([scores(number) for number in range(len(rounds[:BLEND_ROUNDS]))])
        return {**{name: np.asarray(value) for name, value in forest._asdict().items()}, "out_of_fold": found}

    return kept(training.folder, "trees", make)


def train_net(training: Training) -> Arrays:
    """Networks on blocks: those of the rounds, and those that are served, side by side."""

    def make() -> Arrays:
        settings, rounds = training.settings, training.block_rounds[:BLEND_ROUNDS]
        nobody = np.zeros((settings.net_seeds, rounds.shape[1]), np.bool_)
        fit = fit_nets(
            training.codes,
            training.block_binds,
            training.similarities,
            np.concatenate([nobody, rounds]),
            epochs=settings.net_epochs,
            seed=training.seed,
        )
        served = {name: value[: settings.net_seeds] for name, value in fit.weights.items()}
        numbers = iter(range(settings.net_seeds, settings.net_seeds + len(rounds)))

        def scores(held: NDArray[np.bool_]) -> Floats:
            number = next(numbers)
            one = fit._replace(weights={name: value[number : number + 1] for name, value in fit.weights.items()})
            return np.asarray(score_nets(one, training.codes[held], training.similarities)[0])

        found = out_of_fold(rounds, scores)
        return {"first": fit.first, "others": fit.others, "out_of_fold": found} | {
            f"weight_{name}": value for name, value in served.items()
        }

    return kept(training.folder, "net", make)


def linear_fit(arrays: Arrays) -> LinearFit:
    """What `train_linear` learnt."""
    return LinearFit(arrays["weights"], arrays["bias"])


def kernel_fit(arrays: Arrays) -> KernelFit:
    """What `train_kernel` learnt."""
    return KernelFit(arrays["weights"], arrays["bias"])


def odds_counts(arrays: Arrays) -> Counts:
    """What `train_odds` counted."""
    return Counts(*(arrays[name] for name in Counts._fields))


def forest_of(arrays: Arrays) -> Forest:
    """What `train_trees` learnt."""
    values = {name: arrays[name] for name in Forest._fields}
    return Forest(**(values | {"depth": int(values["depth"])}))  # type: ignore[arg-type]


def net_fit(arrays: Arrays) -> NetFit:
    """What `train_net` learnt."""
    prefix = "weight_"
    weights = {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
    return NetFit(arrays["first"], arrays["others"], weights)
