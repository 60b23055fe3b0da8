"""The pointer to the model in production."""

from pathlib import Path

from belka.models.champion import Champion, model_digest, read_champion, write_champion


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
