"""Runs are compared on the molecules that all of them held out, each score by scikit-learn's."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from belka.contract import LABEL_UNKNOWN, SplitGroup
from belka.errors import InputError
from belka.places.names import named_places
from components.affinity_evaluator.gate import MEAN
from pipeline.comparison.compare import Comparison, compare_runs, measured_on, score_rows
from pipeline.comparison.names import run_names
from pipeline.comparison.shared_molecules import share_molecules

Maker = Callable[..., Any]
NEW: Final = set(range(6, 12))


def scores_of(molecules: list[Any], kept: list[bool] | None = None) -> dict[str, float]:
    """Average precision of each slice, by scikit-learn."""
    rows = [row for row, keep in zip(molecules, kept or [True] * len(molecules), strict=True) if keep]
    found = {}
    for column, target in enumerate(("HSA", "sEH")):
        for group in SplitGroup:
            labels = [(row[3][column], row[4][column]) for row in rows if row[1] == group]
            known = np.array([pair for pair in labels if pair[0] != LABEL_UNKNOWN])
            found[f"{target}/{group.label}"] = average_precision_score(known[:, 0], np.float32(known[:, 1]))
    return found


def shown(comparison: Comparison, run: int) -> dict[str, float]:
    return {row.name: row.values[run][0] or 0.0 for row in score_rows(comparison)[1:]}


def test_runs_on_one_table_are_measured_on_all_of_it(run_maker: Maker, molecules_maker: Maker, tmp_path: Path) -> None:
    good, bad = molecules_maker(80, 2, 0.6), molecules_maker(80, 3, 0.2)
    runs = [run_maker(tmp_path / "a", bad, NEW), run_maker(tmp_path / "b", good, NEW)]
    comparison = compare_runs(runs)
    assert comparison.shared.same_table
    assert comparison.shared.number == 80
    assert shown(comparison, 0) == pytest.approx(scores_of(bad))
    assert shown(comparison, 1) == pytest.approx(scores_of(good))
    mean, *slices = score_rows(comparison)
    assert mean.name == MEAN
    for row in (mean, *slices):
        (gain,) = row.gains
        assert gain is not None
        assert gain.value == pytest.approx((row.values[1][0] or 0) - (row.values[0][0] or 0))
        assert gain.interval is not None
        assert gain.interval.low < gain.value < gain.interval.high
    assert "same 80 validation molecules" in measured_on(comparison)
    assert "of 6 new building blocks" in measured_on(comparison)


def test_a_run_against_its_equal_gains_nothing_and_is_sure_of_it(
    run_maker: Maker, molecules_maker: Maker, tmp_path: Path
) -> None:
    """Both on the same resamples: the intervals of the gains are points, those of the scores are not."""
    runs = [run_maker(tmp_path / name, molecules_maker(60), NEW) for name in "ab"]
    for row in score_rows(compare_runs(runs)):
        (gain,) = row.gains
        assert gain is not None
        assert gain.interval is not None
        assert (gain.value, gain.interval.low, gain.interval.high) == (0, 0, 0)
        assert row.values[0][1] is not None
        assert row.values[0][1].low < row.values[0][1].high


def test_runs_on_other_tables_are_matched_by_molecule(run_maker: Maker, molecules_maker: Maker, tmp_path: Path) -> None:
    first, second = molecules_maker(90, 2), molecules_maker(90, 3, 0.3)
    chosen = np.random.default_rng(4).permutation(90)[:60]
    runs = [run_maker(tmp_path / "a", first[:75], NEW), run_maker(tmp_path / "b", [second[i] for i in chosen], NEW)]
    comparison = compare_runs(runs)
    common = [i < 75 and i in chosen for i in range(90)]
    assert not comparison.shared.same_table
    assert comparison.shared.number == sum(common)
    assert comparison.shared.held_out == (75, 60)
    assert shown(comparison, 0) == pytest.approx(scores_of(first, common))
    assert shown(comparison, 1) == pytest.approx(scores_of(second, common))
    said = measured_on(comparison)
    assert f"on the {sum(common)} molecules that all of them held out (a 75, b 60)" in said


def test_what_runs_disagree_on_is_left_out_and_told(run_maker: Maker, molecules_maker: Maker, tmp_path: Path) -> None:
    first = molecules_maker(60)
    second = list(first)
    smiles, group, blocks, labels, scores = second[3]
    second[3] = (smiles, 1 - group, blocks, labels, scores)
    smiles, group, blocks, labels, scores = second[5]
    second[5] = (smiles, group, blocks, (1 - labels[0], labels[1]), scores)
    shared = share_molecules([run_maker(tmp_path / "a", first, NEW), run_maker(tmp_path / "b", second[1:], NEW)])
    assert (shared.number, shared.other_group, shared.other_labels) == (58, 1, 1)
    row = np.flatnonzero(shared.predictions[0].ids == 1005)[0]
    assert shared.predictions[0].labels[row].tolist() == [LABEL_UNKNOWN, first[5][3][1]]
    comparison = compare_runs([run_maker(tmp_path / "c", first, NEW), run_maker(tmp_path / "d", second[1:], NEW)])
    assert "1 more are left out" in measured_on(comparison)
    assert "1 labels are left out" in measured_on(comparison)


def test_a_block_that_is_new_to_any_run_is_resampled(run_maker: Maker, molecules_maker: Maker, tmp_path: Path) -> None:
    rows = molecules_maker(60)
    names = tuple("C" * n + "N" for n in range(1, 13))
    turned = [(s, g, tuple(11 - b for b in blocks), y, p) for s, g, blocks, y, p in rows]
    other = run_maker(tmp_path / "b", turned, {11, 3}, blocks=names[::-1])  # blocks 0 and 8 of the other table
    shared = share_molecules([run_maker(tmp_path / "a", rows, {8, 9}), other])
    assert np.flatnonzero(shared.new_blocks.is_new).tolist() == [0, 8, 9]


def test_targets_are_those_of_all_runs(run_maker: Maker, molecules_maker: Maker, tmp_path: Path) -> None:
    rows = molecules_maker(60)
    turned = [(s, g, b, labels[::-1], scores[::-1]) for s, g, b, labels, scores in rows]
    run, other = run_maker(tmp_path / "a", rows, NEW), run_maker(tmp_path / "b", turned, NEW, targets=("sEH", "HSA"))
    comparison = compare_runs([run, other])
    assert comparison.shared.targets == ("HSA", "sEH")
    assert {row.gains[0].value for row in score_rows(comparison) if row.gains[0]} == {0}
    with pytest.raises(InputError, match="no target in common"):
        compare_runs([run, run_maker(tmp_path / "c", rows, NEW, targets=("BRD4", "CA9"))])


def test_runs_without_a_common_molecule_are_refused(run_maker: Maker, molecules_maker: Maker, tmp_path: Path) -> None:
    rows = molecules_maker(60)
    runs = [run_maker(tmp_path / "a", rows[:30], NEW), run_maker(tmp_path / "b", rows[30:], NEW)]
    with pytest.raises(InputError, match=r"(?s)held out no molecule in common.*a: 30; b: 30"):
        compare_runs(runs)


def test_settings_that_differ_are_listed_and_others_are_not(
    run_maker: Maker, molecules_maker: Maker, tmp_path: Path
) -> None:
    rows = molecules_maker(40)
    settings = [(), ("training.epochs=3",), ("training.epochs=3", "model.members=[transformer,linear]")]
    runs = [run_maker(tmp_path / str(number), rows, NEW, settings=each) for number, each in enumerate(settings)]
    found = {row.name: row.values for row in compare_runs(runs).differences}
    default = runs[0].settings()
    assert found == {
        "training.epochs": (default["training.epochs"], "3", "3"),
        "model.members": ('["transformer"]', '["transformer"]', '["transformer", "linear"]'),
    }


def test_three_runs_are_compared_on_what_all_held_out(run_maker: Maker, molecules_maker: Maker, tmp_path: Path) -> None:
    rows = molecules_maker(80)
    runs = [run_maker(tmp_path / name, rows[start:], NEW) for name, start in (("a", 0), ("b", 10), ("c", 5))]
    comparison = compare_runs(runs)
    assert comparison.shared.number == 70
    assert [len(row.gains) for row in score_rows(comparison)] == [2] * 5
    assert {gain.value for gains in comparison.gains for gain in gains} == {0}


def test_more_molecules_left_out_change_no_ids(run_maker: Maker, molecules_maker: Maker, tmp_path: Path) -> None:
    """Whatever the order of the rows of a run, its score is the same."""
    rows = molecules_maker(60, 2)
    run = run_maker(tmp_path / "a", rows, NEW)
    other = run_maker(tmp_path / "b", rows[::-1], NEW)
    (first, second) = (shown(compare_runs([run, other]), number) for number in (0, 1))
    assert first == second == pytest.approx(scores_of(rows))
    same = replace(other, molecules_digest=run.molecules_digest)
    assert shown(compare_runs([run, same]), 1) != first  # the ids of another table name other molecules


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["x/a", "x/b"], ["a", "b"]),
        (["x/out", "y/out"], ["x/out", "y/out"]),
        (["x/a/out", "y/a/out", "z"], ["x/a/out", "y/a/out", "z"]),
    ],
)
def test_runs_are_named_by_as_much_of_their_path_as_tells_them_apart(folders: list[str], names: list[str]) -> None:
    assert run_names([Path(folder) for folder in folders]) == names


def test_runs_on_a_store_are_named_by_their_uris() -> None:
    copies = [Path(f"/cache/{room}/work/run") for room in ("1f", "2f")]
    with named_places({str(copies[0]): "s3://bucket/may/run", str(copies[1]): "s3://bucket/june/run"}):
        assert run_names([*copies, Path("/here/other")]) == ["may/run", "june/run", "other"]


def test_a_run_is_not_compared_with_itself() -> None:
    with pytest.raises(InputError, match="compared with itself"):
        run_names([Path("a"), Path("a")])
