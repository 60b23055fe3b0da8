"""A fingerprint baseline on the same data: logistic regression on the fingerprint bits of the Examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack  # type: ignore[import-untyped]  # SciPy ships no types
from sklearn.linear_model import LogisticRegression

from belka.contract import FEATURE_BINDS, FEATURE_ECFP, FEATURE_SPLIT_GROUP, LABEL_NEGATIVE, LABEL_POSITIVE, SplitGroup
from belka.examples import read_examples
from components.affinity_evaluator.predictions import known
from components.affinity_evaluator.slices import SliceMetrics, slice_metrics

MAX_TRAINING_MOLECULES: Final = 20_000


def baseline_slices(
    training_files: Sequence[Path], validation_files: Sequence[Path], targets: Sequence[str]
) -> tuple[tuple[SliceMetrics, ...], int]:
    """Train and measure the baseline.

    Args:
        training_files: TFRecord files of the training split; the first molecules of each, `MAX_TRAINING_MOLECULES` in
            all.
        validation_files: Those of the validation split; every molecule is scored.
        targets: Target names.

    Returns:
        One entry per (target, split group) without intervals; the number of training molecules. No slice where a target
        has no two classes in training.
    """
    per_file = -(-MAX_TRAINING_MOLECULES // max(len(training_files), 1))
    bits, labels, _ = _read(training_files, len(targets), per_file)
    seen_bits, seen_labels, groups = _read(validation_files, len(targets), None)
    slices: list[SliceMetrics] = []
    for index, target in enumerate(targets):
        counts = known(labels[:, index])
        if set(labels[counts, index]) != {LABEL_NEGATIVE, LABEL_POSITIVE} or not seen_bits.shape[0]:
            continue
        model = LogisticRegression(solver="liblinear", random_state=0).fit(bits[counts], labels[counts, index])
        probabilities = model.predict_proba(seen_bits)[:, 1].astype(np.float32)
        measured = known(seen_labels[:, index])
        for group in SplitGroup:
            inside = measured & (groups == group)
            slices.append(slice_metrics(target, group.label, seen_labels[inside, index], probabilities[inside]))
    return tuple(slices), bits.shape[0]


def _read(
    files: Sequence[Path], n_targets: int, first: int | None
) -> tuple[csr_matrix, NDArray[np.int8], NDArray[np.int8]]:
    """Bits [n, n_bits], labels [n, n_targets] and split groups [n] of the first molecules of each file; None = all."""
    names = (FEATURE_ECFP, FEATURE_BINDS, FEATURE_SPLIT_GROUP)
    parts = [batch.columns for batch in read_examples(files, names, n_targets=n_targets, first=first)]
    if not parts:
        return csr_matrix((0, 1), dtype=np.float32), np.empty((0, n_targets), np.int8), np.empty(0, np.int8)
    bits = [csr_matrix(np.unpackbits(part[FEATURE_ECFP], axis=1), dtype=np.float32) for part in parts]
    labels, groups = (np.concatenate([part[name] for part in parts]) for name in names[1:])
    return vstack(bits, format="csr"), labels, groups
