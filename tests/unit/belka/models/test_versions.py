"""Rolling back to an earlier model: with a reason, to whole models only, and the history keeps it."""

import json
import re
from pathlib import Path

import pytest
import tensorflow as tf
from typer.testing import CliRunner

from belka.errors import InputError
from belka.models.champion import Champion, champion_history, model_digest, read_champion, write_champion
from belka.models.folder import open_model_folder
from belka.models.versions import list_versions, set_champion
from pipeline.cli.main import app


def write_version(models: Path, name: str, value: float, mode: str = "clf") -> Path:
    module = tf.Module()
    module.value = tf.Variable(value)
    tf.saved_model.save(module, str(models / name))
    described = {"model": {"mode": mode, "max_length": 8}, "vocabulary": ["[PAD]", "[MASK]"], "targets": ["sEH"]}
    (models / name / "belka.json").write_text(json.dumps(described))
    return models / name


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name, value in (("99", 1.0), ("100", 2.0)):
        write_version(tmp_path, name, value)
        write_champion(tmp_path, Champion(name, model_digest(tmp_path / name)), reason=f"pushed {name}")
    return tmp_path


def test_versions_are_listed_in_the_order_of_their_numbers(models: Path) -> None:
    write_version(models, "101", 3.0, mode="fps")
    (models / "no model").mkdir()
    found = list_versions(models)
    assert [(each.name, each.in_production, bool(each.problem)) for each in found] == [
        ("99", False, False),
        ("100", True, False),
        ("101", False, True),
    ]
    assert found[0].members == ("transformer",)
    assert found[0].targets == ("sEH",)
    assert found[0].digest == model_digest(models / "99")


def test_rolling_back_changes_what_is_loaded_and_is_remembered(models: Path) -> None:
    assert open_model_folder(models).path.name == "100"
    assert set_champion(models, "99", " worse on new blocks ")
    assert open_model_folder(models).path.name == "99"
    assert read_champion(models) == Champion("99", model_digest(models / "99"))
    history = champion_history(models)
    assert [(each.version, each.reason) for each in history] == [
        ("99", "pushed 99"),
        ("100", "pushed 100"),
        ("99", "worse on new blocks"),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", each.at) for each in history)
    assert not set_champion(models, "99", "again")
    assert len(champion_history(models)) == 3


def test_what_cannot_be_served_is_not_put_into_production(models: Path) -> None:
    write_version(models, "101", 3.0, mode="fps")
    before = (models / "champion.json").read_bytes()
    for name, reason, message in (
        ("98", "x", "There is no such version"),
        ("../99", "x", "There is no such version"),
        ("101", "x", "cannot be put into production"),
        ("99", "  ", "needs a reason"),
    ):
        with pytest.raises(InputError, match=message):
            set_champion(models, name, reason)
    assert (models / "champion.json").read_bytes() == before


def test_a_changed_model_in_production_is_told(models: Path) -> None:
    (models / "100" / "saved_model.pb").write_bytes(b"other")
    assert "not those that went into production" in list_versions(models)[1].problem


def test_a_pointer_of_an_earlier_version_has_no_history_and_a_damaged_one_is_refused(models: Path) -> None:
    digest = model_digest(models / "99")
    (models / "champion.json").write_text(json.dumps({"version": "99", "digest": digest}))
    assert champion_history(models) == ()
    assert set_champion(models, "100", "forward")
    assert [each.version for each in champion_history(models)] == ["100"]
    for history in (
        [{"version": "1"}],
        ["x"],
        [{"version": "1", "digest": "2", "at": "3", "reason": "4", "more": "5"}],
    ):
        content = {"version": "99", "digest": digest, "history": history}
        (models / "champion.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match="pointer to the model in production cannot be read"):
            champion_history(models)


def test_the_commands(models: Path) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["champion", *arguments, "--models", str(models)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert re.search(r"->\s+100\s", run("list"))
    assert "in production now" in run("set", "99", "--reason", "[bold]roll back")
    told = run("show")
    assert f"digest {model_digest(models / '99')}" in told
    assert "[bold]roll back" in told
    assert "nothing was changed" in run("set", "99", "--reason", "again")
    (models / "champion.json").unlink()
    assert "no model is in production" in run("show")
    assert "None of them is in production" in run("list")
