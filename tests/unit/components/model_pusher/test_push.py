"""push_model without an orchestrator: the first push, the champion again, another champion meanwhile, a broken copy."""

import shutil
from pathlib import Path

import pytest

from belka.errors import BelkaError
from belka.models.champion import model_digest, read_champion
from components.model_pusher.push import push_model


def make_model(folder: Path, content: str) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text("weights")
    return folder


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "model_card.md").write_text("card")
    return folder


def test_pushes_become_champion_and_the_champion_is_not_pushed_again(tmp_path: Path, release: Path) -> None:
    first, second = make_model(tmp_path / "a", "first"), make_model(tmp_path / "b", "second")
    models = tmp_path / "model"
    pushed = push_model(first, models, release, judged_against="")
    assert model_digest(pushed) == model_digest(first)
    assert (pushed / "model_card.md").read_text() == "card"
    assert push_model(first, models, release, judged_against="whatever") == pushed
    again = push_model(second, models, release, judged_against=model_digest(first))
    champion = read_champion(models)
    assert champion is not None
    assert (models / champion.version, champion.digest) == (again, model_digest(second))
    assert sorted(path.name for path in models.iterdir()) == sorted([pushed.name, again.name, "champion.json"])


def test_a_verdict_against_another_champion_is_refused(tmp_path: Path, release: Path) -> None:
    models = tmp_path / "model"
    push_model(make_model(tmp_path / "a", "first"), models, release, judged_against="")
    before = read_champion(models)
    with pytest.raises(BelkaError, match="Another model went into production"):
        push_model(make_model(tmp_path / "b", "second"), models, release, judged_against="")
    assert read_champion(models) == before


def test_a_broken_copy_does_not_become_champion(tmp_path: Path, release: Path) -> None:
    def copy(_: Path, models_dir: Path) -> Path:
        return make_model(models_dir / "17", "cut off")

    with pytest.raises(BelkaError, match="The pushed copy is not the model"):
        push_model(make_model(tmp_path / "a", "first"), tmp_path / "model", release, judged_against="", copy=copy)
    assert read_champion(tmp_path / "model") is None


def test_what_is_lost_is_pushed_again(tmp_path: Path, release: Path) -> None:
    model, models = make_model(tmp_path / "a", "first"), tmp_path / "model"
    push_model(model, models, release, judged_against="")
    shutil.rmtree(models)
    pushed = push_model(model, models, release, judged_against="of a model that is gone too")
    assert model_digest(pushed) == model_digest(model)
    (pushed / "saved_model.pb").write_text("damaged")
    again = push_model(model, models, release, judged_against="whatever")
    champion = read_champion(models)
    assert champion is not None
    assert (again.name, model_digest(again)) == (champion.version, model_digest(model))


def test_a_model_that_was_replaced_stays_where_it_was_pushed(tmp_path: Path, release: Path) -> None:
    first, second = make_model(tmp_path / "a", "first"), make_model(tmp_path / "b", "second")
    models = tmp_path / "model"
    pushed = push_model(first, models, release, judged_against="")
    push_model(second, models, release, judged_against=model_digest(first))
    before = read_champion(models)
    assert push_model(first, models, release, judged_against="") == pushed
    assert read_champion(models) == before
