"""The baselines themselves: building blocks alone, logistic regression and boosted trees on fingerprint bits."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # SciPy ships no types
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from belka.hashing import splitmix64
from belka.machine import worker_count
from components.affinity_evaluator.baselines.rows import Rows
from components.affinity_evaluator.block_ids import NO_BLOCK
from components.affinity_evaluator.predictions import known
from components.affinity_evaluator.settings import BaselineName

# Strengths of regularisation that logistic regression chooses from: the inverse, as scikit-learn has it.
STRENGTHS: Final = (0.03, 0.1, 0.3, 1.0)
N_FOLDS: Final = 3
# Held out of all blocks in a fold. With three blocks in a molecule that is 27% of the molecules.
FOLD_BLOCK_SHARE: Final = 0.1
# The strength is chosen on at most this many molecules; the model is trained on all.
_CHOICE_ROWS: Final = 20_000
_TREES: Final = 300
_UNKNOWN_SHARE: Final = 0.5

Labels = NDArray[np.int8]


@dataclass(frozen=True)
class Baseline:
    """A trained baseline.

    Attributes:
        description: What it is, with what was chosen in training.
        inputs: Makes the features of molecules, sparse [n, n_features].
        models: A classifier of scikit-learn's kind per target; a number, given to every molecule, where training has
            not both labels.
    """

    description: str
    inputs: Callable[[Rows], csr_matrix]
    models: tuple[Any, ...]

    def predict(self, rows: Rows) -> NDArray[np.float32]:
        """Probabilities of binding, float32 [n, n_targets]."""
        features = self.inputs(rows)
        found = np.empty((features.shape[0], len(self.models)), np.float32)
        for index, model in enumerate(self.models):
            found[:, index] = model if isinstance(model, float) else model.predict_proba(features)[:, 1]
        return found


@dataclass(frozen=True)
class Training:
    """What baselines are trained on.

    Attributes:
        rows: The molecules, in random order.
        targets: Target names.
        n_blocks: Rows of blocks.parquet.
        fingerprint: What to call the bits.
        seed: Seed of the folds and of the models.
    """

    rows: Rows
    targets: tuple[str, ...]
    n_blocks: int
    fingerprint: str
    seed: int

    def fit(self, features: csr_matrix, make: Callable[[csr_matrix, Labels, int], Any]) -> tuple[Any, ...]:
        """Train one model per target on the molecules whose label is known.

        Args:
            features: Sparse [n, n_features].
            make: Trains a model on features, labels of 0 and 1 and the number of the target.

        Returns:
            The models; the share of positives (0.5 without any label) where there are not both labels.
        """
        models: list[Any] = []
        for index in range(len(self.targets)):
            counts = known(self.rows.labels[:, index])
            labels = self.rows.labels[counts, index]
            if labels.size and 0 < labels.mean() < 1:
                models.append(make(features[counts], labels, index))
            else:
                models.append(float(labels.mean()) if labels.size else _UNKNOWN_SHARE)
        return tuple(models)


def fit_blocks(training: Training) -> Baseline:
    """Learn how often each block at each position is in a positive, and nothing of its structure.

    A block that training never shows has the coefficient 0: its molecules get what their other blocks say, and where
    none is known the prior.
    """

    def inputs(rows: Rows) -> csr_matrix:
        return rows.block_columns(training.n_blocks)

    models = training.fit(inputs(training.rows), lambda features, labels, _: _logistic(1.0).fit(features, labels))
    return Baseline("building blocks by position, nothing of their structure", inputs, models)


def fit_logistic(training: Training) -> Baseline:
    """Train logistic regression on the bits, its strength of regularisation chosen on folds of held-out blocks."""
    folds = list(held_out_folds(training.rows, training.seed))
    chosen: dict[str, float] = {}

    def make(features: csr_matrix, labels: Labels, index: int) -> Any:
        counts = known(training.rows.labels[:, index])
        chosen[training.targets[index]] = best = _best_strength(features, labels, [fold[counts] for fold in folds])
        return _logistic(best).fit(features, labels)

    models = training.fit(training.rows.bits(), make)
    strengths = ", ".join(f"{target} {strength:g}" for target, strength in chosen.items())
    return Baseline(
        f"logistic regression on {training.fingerprint} bits (C chosen in training: {strengths or 'none'})",
        Rows.bits,
        models,
    )


def fit_lightgbm(training: Training) -> Baseline:
    """Train gradient-boosted trees on the bits.

    Source: Ke et al.: LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 2017.
    """
    # It takes two seconds to import, and only this baseline needs it.
    from lightgbm import LGBMClassifier

    def make(features: csr_matrix, labels: Labels, index: int) -> Any:
        del index
        model = LGBMClassifier(
            n_estimators=_TREES,
            colsample_bytree=0.5,
            random_state=training.seed % 2**31,
            # Threads wait for each other at every split: on shared cores that takes longer than the work itself.
            n_jobs=1,
            deterministic=True,
            force_row_wise=True,
            verbose=-1,
        )
        return model.fit(features, labels).set_params(n_jobs=worker_count(0))

    models = training.fit(training.rows.bits(), make)
    return Baseline(f"LightGBM on {training.fingerprint} bits ({_TREES} trees)", Rows.bits, models)


FITTERS: Final[Mapping[BaselineName, Callable[[Training], Baseline]]] = {
    "blocks": fit_blocks,
    "logistic": fit_logistic,
    "lightgbm": fit_lightgbm,
}


def held_out_folds(rows: Rows, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Mark the molecules that a fold holds out, as the test does: those with a block of the fold, bool [n].

    No block is held out in two folds. A molecule without blocks counts as one of a block of its own.
    """
    blocks = np.unique(rows.blocks[rows.blocks != NO_BLOCK])
    shuffled = blocks[np.argsort(splitmix64(blocks, seed + 1))]
    size = max(1, round(FOLD_BLOCK_SHARE * blocks.size))
    without = (rows.blocks == NO_BLOCK).all(axis=1)
    own = splitmix64(rows.ids, seed + 2) / 2**64
    for fold in range(N_FOLDS):
        held_out = np.isin(rows.blocks, shuffled[fold * size : (fold + 1) * size]).any(axis=1)
        start = fold * FOLD_BLOCK_SHARE
        yield held_out | (without & (own >= start) & (own < start + FOLD_BLOCK_SHARE))


def _logistic(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, solver="liblinear", random_state=0)


def _best_strength(features: csr_matrix, labels: Labels, folds: list[NDArray[np.bool_]]) -> float:
    """The strength of the highest mean average precision on held-out molecules; the middle one where none can tell."""
    features, labels = features[:_CHOICE_ROWS], labels[:_CHOICE_ROWS]
    sums = np.zeros(len(STRENGTHS))
    for held_out in (fold[:_CHOICE_ROWS] for fold in folds):
        parts = labels[~held_out], labels[held_out]
        if any(not part.size or part.min() == part.max() for part in parts):
            continue
        for index, strength in enumerate(STRENGTHS):
            model = _logistic(strength).fit(features[~held_out], parts[0])
            sums[index] += average_precision_score(parts[1], model.decision_function(features[held_out]))
    return STRENGTHS[int(sums.argmax())] if sums.any() else STRENGTHS[len(STRENGTHS) // 2]
