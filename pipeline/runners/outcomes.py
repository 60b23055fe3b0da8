"""Read from ML Metadata what the nodes of a pipeline produced last."""

from dataclasses import dataclass, field
from pathlib import Path

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from belka.errors import InputError
from belka.models.champion import model_digest, read_champion
from belka.places.names import local_of
from belka.provenance import Provenance, read_provenance
from pipeline.runners.last_outputs import FINISHED
from pipeline.runners.metadata_store import connect, is_store, reading


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


def read_outcomes(database: Path, pipeline_name: str) -> dict[str, NodeOutcome]:
    """The last finished execution of every node of the pipeline.

    Args:
        database: The SQLite file of ML Metadata.
        pipeline_name: Name of the pipeline.

    Returns:
        Node id -> outcome; nodes that never finished are absent.
    """
    if not is_store(database):
        return {}
    found = {}
    with reading(database) as store:
        for context in store.get_contexts_by_type("node"):
            pipeline, _, node = context.name.partition(".")
            executions = store.get_executions_by_context(context.id)
            finished = [execution for execution in executions if execution.last_known_state in FINISHED]
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
    """Have the cache forget results whose record is damaged, or whose copy outside the pipeline root is gone or other.

    TFX's cache looks only whether the folder in the pipeline root is still there. The copy is a pushed model; one that
    another one has replaced in production since is not missed.

    Args:
        database: The SQLite file of ML Metadata.

    Returns:
        The folders that are missed.
    """
    if not is_store(database):
        return []
    store, lost = connect(database), list[str]()
    for artifact in store.get_artifacts():
        missing = _missed(Path(artifact.uri)) if artifact.state == metadata_store_pb2.Artifact.LIVE else []
        if missing:
            artifact.state = metadata_store_pb2.Artifact.DELETED
            store.put_artifacts([artifact])
            lost += missing
    return lost


def forget(database: Path, folder: str) -> None:
    """Have the cache and the later steps forget the result in a folder."""
    store = connect(database)
    artifacts = [each for each in store.get_artifacts() if each.uri.rstrip("/") == folder.rstrip("/")]
    for artifact in artifacts:
        artifact.state = metadata_store_pb2.Artifact.DELETED
    if artifacts:
        store.put_artifacts(artifacts)


def _missed(folder: Path) -> list[str]:
    """The folders that an output was delivered to and that are gone; itself where its own record is damaged."""
    known, damaged = _record_of(folder)
    if damaged:
        return [str(folder)]
    return [place for place in (known.delivered if known else ()) if _is_missed(local_of(place))]


def _is_missed(version: Path) -> bool:
    champion = read_champion(version.parent)
    if champion is not None and champion.version != version.name:
        return False
    return champion is None or _record_of(version)[0] is None or model_digest(version) != champion.digest


def _record_of(folder: Path) -> tuple[Provenance | None, bool]:
    """The record of a folder, and whether there is one that cannot be read."""
    try:
        return read_provenance(folder), False
    except InputError:
        return None, True
