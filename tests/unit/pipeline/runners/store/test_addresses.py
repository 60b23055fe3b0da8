"""The metadata store of a run names URIs on the object store, and paths in the folder in which it is worked on."""

from pathlib import Path

from ml_metadata.proto import metadata_store_pb2

from pipeline.runners.metadata_store import connect
from pipeline.runners.store.addresses import artifact_folders, move_addresses

HERE, THERE = "/cache/1/work/run", "s3://bucket/run"


def test_addresses_go_there_and_back(tmp_path: Path) -> None:
    database = tmp_path / "metadata.db"
    store = connect(database)
    kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="Model"))
    uris = [f"{HERE}/pipeline_root/a/model/1", HERE, f"{HERE}-2/pipeline_root/a/model/1", "/elsewhere"]
    artifacts = [metadata_store_pb2.Artifact(type_id=kind, uri=uri) for uri in uris]
    artifacts[0].custom_properties["current_model"].string_value = f"{HERE}/pipeline_root/b/model/2"
    artifacts[0].custom_properties["note"].string_value = f"lies in {HERE}/pipeline_root"
    store.put_artifacts(artifacts)
    before = store.get_artifacts()
    del store

    move_addresses(database, HERE, THERE)
    assert artifact_folders(database) == {
        f"{THERE}/pipeline_root/a/model/1",
        THERE,
        f"{HERE}-2/pipeline_root/a/model/1",
        "/elsewhere",
    }
    moved = connect(database).get_artifacts()[0]
    assert moved.custom_properties["current_model"].string_value == f"{THERE}/pipeline_root/b/model/2"
    assert moved.custom_properties["note"].string_value == f"lies in {HERE}/pipeline_root"

    move_addresses(database, THERE, HERE)
    assert connect(database).get_artifacts() == before
