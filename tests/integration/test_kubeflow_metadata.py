"""The simulator's rule of one artifact under two inputs, asked of ML Metadata itself, which the backend writes to."""

import pytest
from ml_metadata import errors
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto

from belka.errors import BelkaError
from pipeline.runners.kubeflow.simulator.metadata import check_events


def _ask_the_store(inputs: dict[str, int]) -> None:
    """Write one execution as a driver does: an event of each input, with the input's name on its path.

    Args:
        inputs: Name of an input -> which of two artifacts it has.
    """
    config = proto.ConnectionConfig()
    config.fake_database.SetInParent()  # SQLite in memory
    store = metadata_store.MetadataStore(config)
    artifact_type = store.put_artifact_type(proto.ArtifactType(name="system.Dataset"))
    made = store.put_artifacts([proto.Artifact(type_id=artifact_type, uri=uri) for uri in ("s3://a", "s3://b")])
    pairs = []
    for name, which in inputs.items():
        event = proto.Event(type=proto.Event.INPUT, artifact_id=made[which])
        event.path.steps.add().key = name
        event.path.steps.add().index = 0
        pairs.append((proto.Artifact(id=made[which], type_id=artifact_type, uri="s3://"), event))
    execution = proto.Execution(type_id=store.put_execution_type(proto.ExecutionType(name="system.ContainerExecution")))
    store.put_execution(execution, pairs, [])


def _ask_the_simulator(inputs: dict[str, int]) -> None:
    artifacts = {name: {"artifacts": [{"name": str(which)}]} for name, which in inputs.items()}
    check_events("make", {"inputs": {"artifacts": artifacts}})


def test_the_store_and_the_simulator_take_and_refuse_the_same() -> None:
    different, same = {"schema": 0, "statistics": 1}, {"schema": 0, "statistics": 0}
    _ask_the_store(different)
    _ask_the_simulator(different)
    with pytest.raises(errors.AlreadyExistsError, match="UNIQUE constraint failed: Event"):
        _ask_the_store(same)
    with pytest.raises(BelkaError, match="ML Metadata keeps one event"):
        _ask_the_simulator(same)
