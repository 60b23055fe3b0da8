"""A fingerprint baseline on the same data: logistic regression on the fingerprint bits of the Examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack  # type: ignore[import-untyped]  # SciPy ships no types
from sklearn.linear_model import LogisticRegression

from belka import contract as dc
from components.affinity_evaluator.predictions import known
from components.affinity_evaluator.slices import SliceMetrics, slice_metrics

MAX_TRAINING_MOLECULES: Final = 20_000
_BATCH: Final = 4_096


def baseline_slices(
    training_files: Sequence[Path], validation_files: Sequence[Path], targets: Sequence[str]
) -> tuple[tuple[SliceMetrics, ...], int]:
    """Train and measure the baseline.

    Args:
        training_files: TFRecord files of the training split; the first molecules of each, `MAX_TRAINING_MOLECULES` in all.
        validation_files: Those of the validation split; every molecule is scored.
        targets: Target names.

    Returns:
        One entry a (target, split group) without intervals; the number of training molecules. No slice where a target has no two
        classes in training.
    """
    per_file = -(-MAX_TRAINING_MOLECULES // max(len(training_files), 1))
    bits, labels, _ = _read(training_files, len(targets), per_file)
    seen_bits, seen_labels, groups = _read(validation_files, len(targets), None)
    slices: list[SliceMetrics] = []
    for index, target in enumerate(targets):
        counts = known(labels[:, index])
        if (
            np.unique(labels[counts, index]).size < len((dc.LABEL_NEGATIVE, dc.LABEL_POSITIVE))
            or not seen_bits.shape[0]
        ):
            continue
        model = LogisticRegression(solver="liblinear", random_state=0).fit(bits[counts], labels[counts, index])
        probabilities = model.predict_proba(seen_bits)[:, 1].astype(np.float32)
        measured = known(seen_labels[:, index])
        for group in dc.SplitGroup:
            inside = measured & (groups == group)
            slices.append(slice_metrics(target, group.label, seen_labels[inside, index], probabilities[inside]))
    return tuple(slices), bits.shape[0]


def _read(
    files: Sequence[Path], n_targets: int, per_file: int | None
) -> tuple[csr_matrix, NDArray[np.int8], NDArray[np.int8]]:
    features: dict[str, Any] = {
        dc.FEATURE_ECFP: tf.io.FixedLenFeature([], tf.string),
        dc.FEATURE_BINDS: tf.io.FixedLenFeature([n_targets], tf.int64),
        dc.FEATURE_SPLIT_GROUP: tf.io.FixedLenFeature([], tf.int64),
    }
    packed: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.int8]] = [np.empty((0, n_targets), np.int8)]
    groups: list[NDArray[np.int8]] = [np.empty(0, np.int8)]
    for path in files:
        dataset = tf.data.TFRecordDataset(str(path), compression_type="GZIP" if path.suffix == ".gz" else "")
        for batch in (dataset if per_file is None else dataset.take(per_file)).batch(_BATCH):
            parsed = tf.io.parse_example(batch, features)
            texts = parsed[dc.FEATURE_ECFP].numpy()
            packed.append(np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), -1))
            labels.append(parsed[dc.FEATURE_BINDS].numpy().astype(np.int8))
            groups.append(parsed[dc.FEATURE_SPLIT_GROUP].numpy().astype(np.int8))
    rows = [csr_matrix(np.unpackbits(part, axis=1), dtype=np.float32) for part in packed]
    return _stack(rows), np.concatenate(labels), np.concatenate(groups)


def _stack(rows: list[csr_matrix]) -> csr_matrix:
    return vstack(rows, format="csr") if rows else csr_matrix((0, 1), dtype=np.float32)
