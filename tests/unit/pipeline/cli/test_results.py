"""What a run tells at its end about its model."""

from pathlib import Path
from typing import Any

import pytest

from belka.models.champion import Champion, write_champion
from pipeline.cli.results import curves_row, verdict_rows


def evaluation(*reasons: str, mean: float | None = 0.5) -> dict[str, Any]:
    return {
        "digest": "abc",
        "mean_average_precision": mean,
        "mean_interval": {"low": 0.4, "high": 0.6},
        "verdict": {"blessed": not reasons, "reasons": list(reasons)},
    }


def test_a_model_that_is_pushed(tmp_path: Path) -> None:
    write_champion(tmp_path, Champion("17", "abc"))
    assert list(verdict_rows(evaluation(), tmp_path)) == [
        ("average precision of the gate (mean)", "0.5000 (0.4000 to 0.6000)"),
        ("gate", "passed"),
        ("in production", f"{tmp_path / '17'}: this run's model"),
    ]


def test_a_model_that_is_not_says_why_and_what_stays(tmp_path: Path) -> None:
    write_champion(tmp_path, Champion("16", "other"))
    assert list(verdict_rows(evaluation("it is worse.", "a slice loses."), tmp_path))[1:] == [
        ("gate", "not passed: this model is not pushed"),
        ("", "it is worse."),
        ("", "a slice loses."),
        ("in production", f"{tmp_path / '16'}: another model than this run's"),
    ]


def test_nothing_measured_and_nothing_evaluated(tmp_path: Path) -> None:
    assert list(verdict_rows(evaluation("no molecule.", mean=None), tmp_path)) == [
        ("gate", "not passed: this model is not pushed"),
        ("", "no molecule."),
    ]
    assert list(verdict_rows({}, tmp_path)) == []


def test_on_which_molecules_two_models_were_compared(tmp_path: Path) -> None:
    slices = [{"target": "BRD4", "split_group": group, "n": n} for group, n in (("shared", 1200), ("non_shared", 34))]
    compared = {"same_model": False, "molecules": 1250, "judged_slices": slices}
    told = dict(verdict_rows({**evaluation(), "molecules": 7600, "champion": compared}, tmp_path))
    assert told["compared on"] == (
        "1,250 of 7,600 validation molecules, which neither model trained on (BRD4/shared 1,200, BRD4/non_shared 34)"
    )
    assert "compared on" not in dict(
        verdict_rows({**evaluation(), "champion": {**compared, "same_model": True}}, tmp_path)
    )


def test_gains_over_baselines_are_told_on_the_mean_and_by_slice(tmp_path: Path) -> None:
    gains = [
        {"name": "mean", "value": 0.0213, "interval": {"low": -0.01, "high": 0.05}},
        {"name": "BRD4/shared", "value": -0.1, "interval": None},
        {"name": "BRD4/non_shared", "value": 0.0511, "interval": None},
        {"name": "sEH/shared", "value": 0.2, "interval": None},
    ]
    models = {"logistic": {"mean_average_precision": 0.87, "gains": gains}, "blocks": {"gains": []}}
    told = dict(verdict_rows({**evaluation(), "baselines": {"models": models}}, tmp_path))
    by_slice = "BRD4/shared=-0.1000, BRD4/non_shared=+0.0511, sEH/shared=+0.2000"
    assert told["gain over baseline logistic"] == f"+0.0213 (-0.0100 to +0.0500), on 0.8700; {by_slice}"
    assert "gain over baseline blocks" not in told


def test_draws_tell_mean_spread_and_how_often_the_members_are_ahead(tmp_path: Path) -> None:
    members = {"mean": 0.89, "sd": 0.028, "above_zero": 2, "values": [0.91, 0.87]}
    gain = {"mean": -0.01, "sd": None, "above_zero": 1, "values": [-0.05, 0.03]}
    told = dict(verdict_rows({**evaluation(), "draws": {"members": members, "gains": {"logistic": gain}}}, tmp_path))
    assert told["members on 2 draws of training"] == "0.8900 (sd 0.0280)"
    assert told["gain over logistic on draws"] == "-0.0100, ahead on 1 of 2"


def test_the_command_that_shows_curves_is_told_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "my output"
    assert list(curves_row(output)) == []
    events = output / "pipeline_root" / "trainer-clf" / "model_run" / "12" / "events.out.tfevents.1.host.2.0.v2"
    events.parent.mkdir(parents=True)
    events.touch()
    assert list(curves_row(output)) == [("curves of training", f"tensorboard --logdir '{output}/pipeline_root'")]
    monkeypatch.setattr("pipeline.cli.results.find_spec", lambda _: None)
    ((_, command),) = curves_row(output)
    assert command.endswith("(after pip install 'belka[tensorboard]')")
