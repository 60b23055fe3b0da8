"""The pointer to the model in production."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from belka.errors import InputError
from belka.models.champion import Champion, champion_history, model_digest, read_champion, write_champion
from belka.models.folder import find_saved_model


def test_pointer_reads_back_and_digest_ignores_what_a_push_adds(tmp_path: Path) -> None:
    models, model = tmp_path / "models", tmp_path / "good"
    model.mkdir()
    (model / "saved_model.pb").write_bytes(b"graph")
    before = model_digest(model)
    write_champion(models, Champion("5", before))
    (model / "model_card.md").write_text("x")
    assert read_champion(models) == Champion("5", model_digest(model))
    (model / "saved_model.pb").write_bytes(b"x")
    assert model_digest(model) != before


def _pushed(models: Path) -> Path:
    folder = models / "5"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    write_champion(models, Champion("5", model_digest(folder)), reason="pushed")
    return models / "champion.json"


def test_no_flipped_bit_is_believed(tmp_path: Path) -> None:
    file = _pushed(tmp_path)
    whole, believed = file.read_bytes(), []
    for place, bit in ((place, bit) for place in range(len(whole)) for bit in range(8)):
        file.write_bytes(_flipped(whole, place, bit))
        with suppress(InputError):
            read_champion(tmp_path)
            champion_history(tmp_path)
            believed.append((place, bit))
    same = [json.loads(whole) == json.loads(_flipped(whole, *each)) for each in believed]
    assert all(same), "a blank for a line break, and no more"
    assert len(believed) < 40


def _flipped(whole: bytes, place: int, bit: int) -> bytes:
    content = bytearray(whole)
    content[place] ^= 1 << bit
    return bytes(content)


def test_a_pointer_of_an_earlier_version_has_no_check_and_is_read(tmp_path: Path) -> None:
    file = _pushed(tmp_path)
    content = json.loads(file.read_bytes())
    del content["check"]
    file.write_text(json.dumps(content))
    assert read_champion(tmp_path) is not None
    assert [change.reason for change in champion_history(tmp_path)] == ["pushed"]
    write_champion(tmp_path, Champion("5", "0" * 64), reason="again")
    assert [change.reason for change in champion_history(tmp_path)] == ["pushed", "again"]


def test_a_model_that_took_the_place_of_the_one_in_production_is_refused(tmp_path: Path) -> None:
    _pushed(tmp_path)
    assert find_saved_model(tmp_path) == tmp_path / "5"
    (tmp_path / "5" / "saved_model.pb").write_bytes(b"other")
    with pytest.raises(InputError, match="not the one that was put there"):
        find_saved_model(tmp_path)
    assert find_saved_model(tmp_path / "5") == tmp_path / "5", "a version that is named is the user's choice"
