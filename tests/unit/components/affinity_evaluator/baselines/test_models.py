"""The baselines are scikit-learn's and LightGBM's models on the right rows, chosen on whole blocks held out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from belka import contract as dc
from components.affinity_evaluator.baselines.models import (
    FITTERS,
    STRENGTHS,
    Training,
    fit_blocks,
    fit_logistic,
    held_out_folds,
)
from components.affinity_evaluator.baselines.rows import Rows, sample_rows

TARGETS = ("BRD4", "HSA")


@pytest.fixture(scope="module")
def training(library: Any) -> Training:
    rows, _ = sample_rows(library.files(dc.Subset.TRAIN), library.molecules_dir, n_targets=2, limit=1000, seed=1)
    return Training(rows, TARGETS, 24, "ECFP", 1)


@pytest.fixture(scope="module")
def held_out(library: Any) -> Rows:
    ids = library.rows(dc.Subset.VALIDATION)
    return Rows(ids, library.packed[ids], library.blocks[ids], library.labels[ids])


def with_labels(training: Training, column: int, value: int) -> Training:
    labels = training.rows.labels.copy()
    labels[:, column] = value
    return replace(training, rows=replace(training.rows, labels=labels))


def test_logistic_is_scikit_learns_on_the_known_rows_with_the_strength_it_names(
    training: Training, held_out: Rows
) -> None:
    found = fit_logistic(training)
    chosen = dict(part.split() for part in found.description.split(": ")[1].rstrip(")").split(", "))
    bits, seen = np.unpackbits(training.rows.packed, axis=1), np.unpackbits(held_out.packed, axis=1)
    for index, target in enumerate(TARGETS):
        known = training.rows.labels[:, index] != dc.LABEL_UNKNOWN
        assert float(chosen[target]) in STRENGTHS
        model = LogisticRegression(C=float(chosen[target]), solver="liblinear", random_state=0)
        model.fit(bits[known].astype(np.float64), training.rows.labels[known, index])
        expected = model.predict_proba(seen.astype(np.float64))[:, 1]
        np.testing.assert_allclose(found.predict(held_out)[:, index], expected, atol=1e-6)


def test_blocks_know_nothing_of_what_they_never_saw(training: Training, held_out: Rows) -> None:
    """Two molecules that differ in their new blocks alone get the same; one of new blocks alone gets the prior."""
    found = fit_blocks(training)
    blocks = np.array([[0, 9, 17], [1, 9, 17], [2, 9, 17], [0, -1, -1], [-1, -1, -1]], np.int32)
    rows = Rows(np.arange(5), np.zeros((5, 8), np.uint8), blocks, np.zeros((5, 2), np.int8))
    predicted = found.predict(rows)
    np.testing.assert_array_equal(predicted[0], predicted[1])
    assert (predicted[0] != predicted[2]).all()
    np.testing.assert_array_equal(predicted[3], predicted[4])
    np.testing.assert_array_equal(
        found.predict(held_out), found.predict(replace(held_out, packed=np.zeros_like(held_out.packed)))
    )


@pytest.mark.parametrize("name", FITTERS)
def test_same_rows_same_predictions_and_unknown_labels_are_never_used(
    name: Any, training: Training, held_out: Rows
) -> None:
    found = FITTERS[name](training).predict(held_out)
    assert found.dtype == np.float32
    assert found.tobytes() == FITTERS[name](training).predict(held_out).tobytes()
    assert len(np.unique(found[:, 0])) > 8
    known = training.rows.labels[:, 1] != dc.LABEL_UNKNOWN
    fewer = Rows(*(getattr(training.rows, field)[known] for field in ("ids", "packed", "blocks", "labels")))
    without = FITTERS[name](replace(training, rows=fewer)).predict(held_out)
    np.testing.assert_allclose(without[:, 1], found[:, 1], atol=1e-6)


@pytest.mark.parametrize("name", FITTERS)
@pytest.mark.parametrize(("label", "expected"), [(0, 0.0), (1, 1.0), (dc.LABEL_UNKNOWN, 0.5)])
def test_a_protein_without_both_labels_gets_a_constant(
    name: Any, label: int, expected: float, training: Training, held_out: Rows
) -> None:
    predicted = FITTERS[name](with_labels(training, 1, label)).predict(held_out)
    assert set(predicted[:, 1].tolist()) == {expected}


def test_folds_hold_out_whole_blocks_each_once(training: Training) -> None:
    seen: set[int] = set()
    for fold in held_out_folds(training.rows, 5):
        assert 0.1 < fold.mean() < 0.5
        new = set(training.rows.blocks[fold].ravel().tolist()) - set(training.rows.blocks[~fold].ravel().tolist())
        assert len(new) == 2  # a tenth of 22
        assert all(new & set(blocks) for blocks in training.rows.blocks[fold])
        assert not new & seen
        seen |= new


def test_molecules_without_blocks_are_in_at_most_one_fold(training: Training) -> None:
    rows = replace(training.rows, blocks=np.full_like(training.rows.blocks, -1))
    folds = np.array(list(held_out_folds(rows, 5)))
    assert folds.sum(axis=0).max() == 1
    assert folds.any(axis=0).mean() == pytest.approx(0.3, abs=0.1)


def test_the_strength_is_the_best_on_held_out_blocks(training: Training) -> None:
    """By hand, with scikit-learn: the mean over the folds of the average precision of each strength."""
    known = training.rows.labels[:, 0] != dc.LABEL_UNKNOWN
    bits, labels = np.unpackbits(training.rows.packed, axis=1)[known].astype(float), training.rows.labels[known, 0]
    means = {}
    for strength in STRENGTHS:
        values = []
        for fold in held_out_folds(training.rows, training.seed):
            out = fold[known]
            model = LogisticRegression(C=strength, solver="liblinear", random_state=0).fit(bits[~out], labels[~out])
            values.append(average_precision_score(labels[out], model.predict_proba(bits[out])[:, 1]))
        means[strength] = np.mean(values)
    best = max(means, key=lambda strength: means[strength])
    assert f"BRD4 {best:g}" in fit_logistic(training).description
