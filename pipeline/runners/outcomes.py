"""Read from ML Metadata what the nodes of a pipeline produced last."""

from dataclasses import dataclass, field
from pathlib import Path

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2


@dataclass(frozen=True)
class NodeOutcome:
    """The last execution of a node that has outputs.

    Attributes:
        execution_id: Its id in ML Metadata.
        cached: Whether an earlier execution served it.
        outputs: Folder of each output artifact by output key.
    """

    execution_id: int
    cached: bool
    outputs: dict[str, Path] = field(default_factory=dict)


_State = metadata_store_pb2.Execution
_FINISHED = (_State.COMPLETE, _State.CACHED)


def open_store(database: Path) -> metadata_store.MetadataStore:
    """Open the SQLite file of ML Metadata for reading."""
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READONLY
    return metadata_store.MetadataStore(config)


def read_outcomes(database: Path, pipeline_name: str) -> dict[str, NodeOutcome]:
    """The last finished execution of every node of the pipeline.

    Args:
        database: The SQLite file of ML Metadata.
        pipeline_name: Name of the pipeline.

    Returns:
        Node id -> outcome; nodes that never finished are absent.
    """
    if not database.is_file():
        return {}
    store, found = open_store(database), {}
    for context in store.get_contexts_by_type("node"):
        pipeline, _, node = context.name.partition(".")
        executions = store.get_executions_by_context(context.id)
        finished = [execution for execution in executions if execution.last_known_state in _FINISHED]
        if pipeline == pipeline_name and finished:
            found[node] = _outcome(store, max(finished, key=lambda execution: execution.id))
    return found


def _outcome(store: metadata_store.MetadataStore, execution: metadata_store_pb2.Execution) -> NodeOutcome:
    written = metadata_store_pb2.Event.OUTPUT
    events = [event for event in store.get_events_by_execution_ids([execution.id]) if event.type == written]
    uris = {artifact.id: artifact.uri for artifact in store.get_artifacts_by_id([e.artifact_id for e in events])}
    outputs = {event.path.steps[0].key: Path(uris[event.artifact_id]) for event in events}
    return NodeOutcome(execution.id, execution.last_known_state == _State.CACHED, outputs)
