"""Read from ML Metadata what the nodes of a pipeline produced last."""

from dataclasses import dataclass, field
from pathlib import Path

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from belka.models.champion import model_digest, read_champion
from belka.provenance import read_provenance


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


def open_store(database: Path, *, read_only: bool = True) -> metadata_store.MetadataStore:
    """Open the SQLite file of ML Metadata."""
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    if read_only:
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


def forget_lost_results(database: Path) -> list[str]:
    """Have the cache forget results whose copy outside the pipeline root, a pushed model, is gone or was changed.

    TFX's cache looks only whether the folder in the pipeline root is still there. A model that another one has replaced
    in production since is not missed.

    Args:
        database: The SQLite file of ML Metadata.

    Returns:
        The folders that are missed.
    """
    if not database.is_file():
        return []
    store, lost = open_store(database, read_only=False), list[str]()
    for artifact in store.get_artifacts():
        known = read_provenance(Path(artifact.uri)) if artifact.state == metadata_store_pb2.Artifact.LIVE else None
        missing = [folder for folder in (known.delivered if known else ()) if _is_missed(Path(folder))]
        if missing:
            artifact.state = metadata_store_pb2.Artifact.DELETED
            store.put_artifacts([artifact])
            lost += missing
    return lost


def _is_missed(version: Path) -> bool:
    champion = read_champion(version.parent)
    if champion is not None and champion.version != version.name:
        return False
    return champion is None or read_provenance(version) is None or model_digest(version) != champion.digest
