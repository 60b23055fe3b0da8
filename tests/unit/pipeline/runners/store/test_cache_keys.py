"""A cache key is the same wherever the working folder lies, and another for another output directory."""

from pathlib import Path

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.portable import cache_utils
from tfx.proto.orchestration import pipeline_pb2
from tfx.types.standard_artifacts import Model

from belka.places.names import named_places
from pipeline.runners.store.cache_keys import keyed_by_places, placed


def _artifact(folder: str) -> Model:
    model = Model()
    model.uri = f"{folder}/pipeline_root/trainer/model/3"
    model.set_string_custom_property("pushed_destination", f"{folder}/model/17")
    model.set_int_custom_property("blessed", 1)
    return model


def _seen(folder: str, place: str) -> bytes:
    with named_places({folder: place}):
        found: bytes = placed(_artifact(folder)).mlmd_artifact.SerializeToString(deterministic=True)
    return found


def test_the_folder_here_is_not_in_the_key_and_the_place_there_is() -> None:
    assert _seen("/home/a/run", "s3://bucket/run") == _seen("/mnt/b/run", "s3://bucket/run")
    assert _seen("/home/a/run", "s3://bucket/run") != _seen("/home/a/run", "s3://bucket/other")


def test_without_a_store_nothing_changes(tmp_path: Path) -> None:
    artifact = _artifact(str(tmp_path))
    assert placed(artifact).mlmd_artifact == artifact.mlmd_artifact
    with named_places({str(tmp_path): "s3://bucket/run"}):
        placed(artifact)
    assert artifact.uri.startswith(str(tmp_path)), "TFX's own artifact stays as it is"


def _key(artifact: Model) -> str:
    """The key that TFX makes."""
    connection = metadata_store_pb2.ConnectionConfig(fake_database=metadata_store_pb2.FakeDatabaseConfig())
    with metadata.Metadata(connection) as handle:
        context = cache_utils.get_cache_context(
            metadata_handle=handle,
            pipeline_node=pipeline_pb2.PipelineNode(),
            pipeline_info=pipeline_pb2.PipelineInfo(id="belka"),
            input_artifacts={"model": [artifact]},
            output_artifacts={"pushed": [Model()]},
            parameters={"settings": "{}"},
        )
    name: str = context.name
    return name


def _keyed(folder: str, place: str) -> str:
    with named_places({folder: place}), keyed_by_places():
        return _key(_artifact(folder))


def test_tfx_makes_the_same_key_wherever_the_folder_lies_and_another_for_another_place() -> None:
    assert _keyed("/home/a/run", "s3://bucket/run") == _keyed("/mnt/b/run", "s3://bucket/run")
    assert _keyed("/home/a/run", "s3://bucket/run") != _keyed("/home/a/run", "s3://bucket/other")


def test_keys_of_runs_on_this_machine_stay_as_tfx_makes_them(tmp_path: Path) -> None:
    plain = _key(_artifact(str(tmp_path)))
    with keyed_by_places():
        assert _key(_artifact(str(tmp_path))) == plain
    original = cache_utils.get_cache_context
    with keyed_by_places():
        assert cache_utils.get_cache_context is not original
    assert cache_utils.get_cache_context is original
