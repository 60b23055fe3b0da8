"""What servers read: the champion alone, whatever the numbers, and requests that it answers."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from typer.testing import CliRunner

from belka import contract as dc
from belka.errors import DamagedError, InputError
from belka.models.champion import Champion, model_digest, write_champion
from belka.predict.predict import predict_smiles
from belka.provenance import Record, write_provenance
from belka.serving import export
from belka.serving.export import export_champion, find_exported
from belka.serving.warm_up import read_warm_up
from pipeline.cli.main import app

TARGETS = ("BRD4", "HSA")


class _Lengths(tf.Module):
    """A model whose probability is the length of what it gets."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name) for name in ("smiles", "ecfp", "blocks")])
    def features(self, smiles: Any, ecfp: Any, blocks: Any) -> dict[str, Any]:
        lengths = [tf.strings.length(value) for value in (smiles, ecfp)]
        scores = tf.cast(tf.stack(lengths, axis=1), tf.float32) / 1000 + 0 * tf.cast(tf.size(blocks), tf.float32)
        return {dc.OUTPUT_PROBABILITIES: scores, dc.OUTPUT_SPREAD: scores}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "smiles")])
    def smiles(self, smiles: Any) -> dict[str, Any]:
        return {dc.OUTPUT_PROBABILITIES: tf.cast(tf.stack([tf.strings.length(smiles)] * 2, axis=1), tf.float32) / 1000}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two pushed versions; that of the lower number is in production."""
    model = _Lengths()
    for version in ("17", "18"):
        folder = tmp_path / "model" / version
        tf.saved_model.save(model, str(folder), signatures={"features": model.features, "smiles": model.smiles})
        description = {
            "model": {"mode": "clf", "max_length": 128},
            "vocabulary": ["[PAD]", "[MASK]", *"CNO"],
            "targets": TARGETS,
            "ecfp": {"size": 256, "radius": 2, "chirality": True},
            "spelling": "as_given",
            "members": ["transformer", "linear", "net"],
            "code": version,
        }
        (folder / "belka.json").write_text(json.dumps(description))
        write_provenance(folder, Record(step="pusher", run=version))
    put_into_production(tmp_path / "model", "17")
    return tmp_path / "model"


def put_into_production(models: Path, version: str) -> None:
    write_champion(models, Champion(version, model_digest(models / version)))


def requests_of(version: Path) -> list[Any]:
    records = tf.data.TFRecordDataset([str(version / "assets.extra" / "tf_serving_warmup_requests")])
    return [prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request for record in records]


def test_the_champion_alone_is_written_and_answers_its_warm_up_requests(models: Path, tmp_path: Path) -> None:
    done = export_champion(models, tmp_path / "served")
    assert [path.name for path in (tmp_path / "served" / "belka").iterdir()] == ["17"]
    assert model_digest(done.version) == model_digest(models / "17")
    assert "versions: 17 }" in (tmp_path / "served" / "models.config").read_text()
    requests = requests_of(done.version)
    assert [(each.model_spec.name, each.model_spec.signature_name) for each in requests] == [
        ("belka", "smiles"),
        ("belka", "features"),
    ] * 2
    assert done.requests == 4
    signatures = tf.saved_model.load(str(done.version)).signatures
    for request in requests:
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        found = signatures[request.model_spec.signature_name](**inputs)[dc.OUTPUT_PROBABILITIES].numpy()
        texts = [text.decode() for text in inputs["smiles"].numpy()]
        assert len(found) in (1, 32)
        assert len(set(texts)) == len(texts)
        if request.model_spec.signature_name == "features":
            ours = predict_smiles(models / "17", texts)
            for column, target in enumerate(TARGETS):
                assert found[:, column].tolist() == ours[dc.probability_name(target)].to_pylist()


def test_after_a_roll_back_no_higher_number_is_left(models: Path, tmp_path: Path) -> None:
    put_into_production(models, "18")
    export_champion(models, tmp_path / "served")
    put_into_production(models, "17")
    said = [
        CliRunner().invoke(app, ["export", str(tmp_path / "served"), "--models", str(models)], catch_exceptions=False)
        for _ in range(2)
    ]
    assert "removed version 18" in said[0].output
    assert "removed" not in said[1].output
    assert [path.name for path in (tmp_path / "served" / "belka").iterdir()] == ["17"]


def test_servers_find_the_one_version_and_what_it_is_warmed_up_with(models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not one version to serve"):
        find_exported(tmp_path / "served" / "belka")
    done = export_champion(models, tmp_path / "served")
    assert find_exported(tmp_path / "served" / "belka") == done.version
    written = [(each.model_spec.signature_name, dict(each.inputs)) for each in requests_of(done.version)]
    for (name, inputs), (expected, tensors) in zip(read_warm_up(done.version), written, strict=True):
        assert name == expected
        assert {key: value.tolist() for key, value in inputs.items()} == {
            key: tf.make_ndarray(value).tolist() for key, value in tensors.items()
        }
    (tmp_path / "served" / "belka" / "19").mkdir()
    with pytest.raises(InputError, match="17, 19"):
        find_exported(tmp_path / "served" / "belka")


def test_the_file_that_names_the_version_changes_before_the_old_one_goes(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_champion(models, tmp_path / "served")
    put_into_production(models, "18")
    named = []
    config = tmp_path / "served" / "models.config"

    def removed(folder: Path) -> None:
        named.append((folder.name, "versions: 18 }" in config.read_text()))

    monkeypatch.setattr(export, "shutil", SimpleNamespace(copytree=shutil.copytree, rmtree=removed))
    export_champion(models, tmp_path / "served")
    assert named == [("17", True)]


def test_what_no_export_wrote_stays_and_stops_it(models: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "served" / "belka" / "16"
    stranger.mkdir(parents=True)
    with pytest.raises(InputError, match="holds what no export wrote"):
        export_champion(models, tmp_path / "served")
    assert [path.name for path in stranger.parent.iterdir()] == ["16"]


def test_files_of_others_stay_and_stop_it(models: Path, tmp_path: Path) -> None:
    """A copy of a pushed version, a link, and a models.config that names other models: each is somebody's."""
    place = tmp_path / "served" / "belka"
    place.mkdir(parents=True)
    shutil.copytree(models / "18", place / "18")
    with pytest.raises(InputError, match=r"holds what no export wrote[\s\S]*belka/18"):
        export_champion(models, tmp_path / "served")
    shutil.rmtree(place / "18")
    (place / "16").symlink_to(models / "18")
    with pytest.raises(InputError, match=r"holds what no export wrote[\s\S]*belka/16"):
        export_champion(models, tmp_path / "served")
    (place / "16").unlink()
    config = tmp_path / "served" / "models.config"
    config.write_text('model_config_list { config { name: "other" base_path: "/models/other" } }\n')
    with pytest.raises(InputError, match=r"holds what no export wrote[\s\S]*models\.config"):
        export_champion(models, tmp_path / "served")
    assert "other" in config.read_text()
    assert (models / "18" / "belka.json").is_file()


def test_a_folder_within_that_of_the_models_is_refused(models: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(models)
    for folder in (models, models / "17", models / "served", tmp_path / "link" / "17"):
        with pytest.raises(InputError, match="lies in that of the pushed models"):
            export_champion(models, folder)
    assert sorted(path.name for path in models.iterdir()) == ["17", "18", "champion.json"]


def test_no_champion_another_one_and_a_damaged_one_are_not_exported(models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No model is in production that a server can take"):
        export_champion(tmp_path / "none", tmp_path / "served")
    write_champion(models, Champion("17", "another"))
    with pytest.raises(InputError, match="not the one that was put there"):
        export_champion(models, tmp_path / "served")
    (models / "17" / "belka.json").write_text("{}")
    with pytest.raises(DamagedError):
        export_champion(models, tmp_path / "served")
    assert not (tmp_path / "served").exists()
