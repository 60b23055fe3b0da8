"""Members: no label leaks into its own score, and killed trainings go on."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_up_library import KINDS  # type: ignore[import-not-found]

from belka.contract import LABEL_UNKNOWN
from components.ensemble.blend import mean_precision
from components.ensemble.kept import Arrays
from components.ensemble.members import Training, train_kernel, train_linear, train_net, train_odds, train_trees
from components.ensemble.train import train_members


def _with_flipped_label(training: Training, row: int, folder: Path) -> Training:
    binds = training.binds.copy()
    assert binds[row, 0] != LABEL_UNKNOWN
    binds[row, 0] = 1 - binds[row, 0]
    return replace(training, molecules=training.molecules._replace(binds=binds), folder=folder)


@pytest.mark.parametrize("train", [train_linear, train_kernel, train_odds])
def test_flipping_a_label_leaves_its_own_scores_bit_equal(
    train: Callable[[Training], Arrays], training: Training, tmp_path: Path
) -> None:
    row = int(np.flatnonzero(training.binds[:-3, 0] != LABEL_UNKNOWN)[5])
    before = train(training)["out_of_fold"]
    after = train(_with_flipped_label(training, row, tmp_path / "flipped"))["out_of_fold"]
    own = (training.rows if train is train_linear else training.rows[training.rows_with_blocks]) == row
    assert own.any()
    np.testing.assert_array_equal(before[own], after[own])
    assert (before != after).any(), "the label teaches nothing at all"


def test_trees_never_learn_from_what_they_score_whatever_round_it_was_held_out_in(
    trained: tuple[Training, dict[str, Arrays]], tmp_path: Path
) -> None:
    training, fits = trained
    rows = training.rows[training.rows_with_blocks]
    often = np.bincount(rows) > 1
    row = int(np.flatnonzero(often & (training.binds[: len(often), 0] != LABEL_UNKNOWN))[0])
    flipped = _with_flipped_label(training, row, tmp_path / "flipped")
    after = train_trees(flipped, fits["kernel"], fits["odds"])["out_of_fold"]
    before, own = fits["trees"]["out_of_fold"], rows == row
    np.testing.assert_array_equal(before[own], after[own])
    assert (before[~own] != after[~own]).any(), "the label teaches nothing at all"


def test_out_of_fold_scores_rank_labels(trained: tuple[Training, dict[str, Arrays]]) -> None:
    training, fits = trained
    labels = training.binds[training.rows[training.rows_with_blocks]]
    for kind in ("kernel", "trees"):
        scores = fits[kind]["out_of_fold"]
        assert mean_precision(scores, labels[: len(scores)], np.zeros(len(scores), np.int8)) > 0.6, kind


def test_labels_that_say_nothing_are_not_ranked(training: Training, tmp_path: Path) -> None:
    binds = np.random.default_rng(0).permutation(training.binds)
    shuffled = replace(training, molecules=training.molecules._replace(binds=binds), folder=tmp_path / "shuffled")
    scores = train_kernel(shuffled)["out_of_fold"]
    labels = shuffled.binds[shuffled.rows[shuffled.rows_with_blocks]]
    known = labels[:, 0] != LABEL_UNKNOWN
    ranks = np.argsort(np.argsort(scores[known, 0]))
    hits = labels[known, 0] == 1
    area = (ranks[hits].sum() - hits.sum() * (hits.sum() - 1) / 2) / (hits.sum() * (~hits).sum())
    assert 0.3 < area < 0.65


def test_unknown_labels_never_train(training: Training, tmp_path: Path) -> None:
    rows = np.flatnonzero((training.binds == LABEL_UNKNOWN).all(axis=1))
    kept = np.ones(len(training.binds), bool)
    kept[rows] = False
    assert len(rows)
    without = replace(training, molecules=training.molecules.take(kept), folder=tmp_path / "without")
    np.testing.assert_allclose(train_linear(training)["weights"], train_linear(without)["weights"], atol=1e-3)
    np.testing.assert_array_equal(train_odds(training)["first"], train_odds(without)["first"])


def test_a_finished_member_is_not_trained_again(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train_net(training)
    monkeypatch.setattr("components.ensemble.members.fit_nets", None)
    again = train_net(replace(training))
    np.testing.assert_array_equal(first["out_of_fold"], again["out_of_fold"])


def test_a_damaged_file_of_a_member_is_made_again(training: Training) -> None:
    first = train_linear(training)
    (training.folder / "linear.npz").write_bytes(b"PK\x03\x04half")
    np.testing.assert_array_equal(train_linear(replace(training))["weights"], first["weights"])


def test_equal_seeds_give_equal_bytes(training: Training, trained: tuple[Training, dict[str, Arrays]]) -> None:
    again = train_members(training, KINDS)
    for kind, arrays in trained[1].items():
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, again[kind][name], err_msg=f"{kind} {name}")


def test_a_target_with_one_kind_of_label_has_no_weights(training: Training, tmp_path: Path) -> None:
    binds = training.binds.copy()
    binds[:, 1] = np.where(binds[:, 1] == 1, LABEL_UNKNOWN, binds[:, 1])
    only = replace(training, molecules=training.molecules._replace(binds=binds), folder=tmp_path / "only")
    fits = train_members(only, KINDS)
    assert not fits["linear"]["weights"][:, 1].any()
    assert not fits["kernel"]["weights"][:, 1].any()
    assert np.isfinite(fits["trees"]["out_of_fold"]).all()
