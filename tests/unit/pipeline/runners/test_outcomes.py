"""What the cache must not serve: results whose pushed model is gone."""

import shutil
from pathlib import Path

import pytest
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from belka.models.champion import Champion, model_digest, write_champion
from belka.provenance import Record, write_provenance
from pipeline.runners.metadata_store import connect
from pipeline.runners.outcomes import forget_lost_results

Artifact = metadata_store_pb2.Artifact


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A model in production, and what the store knows of it."""
    version, pushed = tmp_path / "model" / "17", tmp_path / "pushed"
    for folder in (version, pushed):
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text("weights")
    delivered = write_provenance(version, Record(step="pusher"))
    write_provenance(pushed, Record(step="pusher", delivered={str(version): delivered.digest}))
    write_champion(tmp_path / "model", Champion("17", model_digest(version)))
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(tmp_path / "metadata.db")
    store = metadata_store.MetadataStore(config)
    for kind, uri in (("PushedModel", pushed), ("Molecules", tmp_path / "molecules")):
        number = store.put_artifact_type(metadata_store_pb2.ArtifactType(name=kind))
        store.put_artifacts([Artifact(type_id=number, uri=str(uri), state=Artifact.LIVE)])
    return tmp_path


def live(output: Path) -> set[str]:
    store = connect(output / "metadata.db", read_only=True)
    return {Path(each.uri).name for each in store.get_artifacts() if each.state == Artifact.LIVE}


def test_what_is_there_is_kept(output: Path) -> None:
    (output / "model" / "17" / "notes.txt").touch()
    assert forget_lost_results(output / "metadata.db") == []
    assert live(output) == {"pushed", "molecules"}


@pytest.mark.parametrize("lost", ["model", "model/17", "model/champion.json", "changed"])
def test_what_is_gone_or_changed_is_forgotten(output: Path, lost: str) -> None:
    if lost == "changed":
        (output / "model" / "17" / "saved_model.pb").write_text("others")
    elif (output / lost).is_dir():
        shutil.rmtree(output / lost)
    else:
        (output / lost).unlink()
    assert forget_lost_results(output / "metadata.db") == [str(output / "model" / "17")]
    assert live(output) == {"molecules"}


def test_a_version_that_was_replaced_is_not_missed(output: Path) -> None:
    shutil.rmtree(output / "model" / "17")
    write_champion(output / "model", Champion("18", "another"))
    assert forget_lost_results(output / "metadata.db") == []


def test_a_first_run_has_nothing_to_forget(tmp_path: Path) -> None:
    assert forget_lost_results(tmp_path / "metadata.db") == []
