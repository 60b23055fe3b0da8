"""The last whole output of a node counts until a newer one is whole.

TFX takes what a step needs from the latest run alone, and a run that was killed has little. So what it lacks is added
to it from the runs before.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ml_metadata.proto import metadata_store_pb2

from belka.errors import InputError
from pipeline.runners.metadata_store import connect, is_store

_State = metadata_store_pb2.Execution
FINISHED: Final = (_State.COMPLETE, _State.CACHED)


def complete_last_run(database: Path, pipeline_name: str) -> list[str]:
    """Give the latest run the last finished execution of every node that did not finish in it.

    Args:
        database: The SQLite file of ML Metadata.
        pipeline_name: Name of the pipeline.

    Returns:
        The ids of the nodes that were added.
    """
    if not is_store(database):
        return []
    store = connect(database)
    latest = _latest_run(store, pipeline_name)
    if latest is None:
        return []
    present = {execution.id for execution in store.get_executions_by_context(latest.id)}
    added = {}
    for context in store.get_contexts_by_type("node"):
        name, _, node = context.name.partition(".")
        if name != pipeline_name:
            continue
        finished = [each for each in store.get_executions_by_context(context.id) if each.last_known_state in FINISHED]
        if any(each.id in present for each in finished):
            continue
        whole = [each.id for each in finished if _is_whole(store, each.id)]
        if whole:
            added[node] = metadata_store_pb2.Association(context_id=latest.id, execution_id=max(whole))
    if added:
        store.put_attributions_and_associations([], list(added.values()))
    return sorted(added)


def without_input(database: Path, pipeline_name: str) -> list[str]:
    """The nodes that the latest run, which ended without an error, could not begin.

    Where what a node needs was forgotten, being damaged or gone, TFX notes an execution that failed and raises nothing.

    Args:
        database: The SQLite file of ML Metadata.
        pipeline_name: Name of the pipeline.

    Returns:
        Their ids.
    """
    store = connect(database)
    latest = _latest_run(store, pipeline_name)
    executions = store.get_executions_by_context(latest.id) if latest else []
    failed = [each.id for each in executions if each.last_known_state == _State.FAILED]
    contexts = [context.name for each in sorted(failed) for context in store.get_contexts_by_execution(each)]
    return [name.partition(".")[2] for name in contexts if name.startswith(f"{pipeline_name}.")]


def missing_results(nodes: Sequence[str], output_dir: Path, received: str) -> InputError:
    """What to say where nodes need the output of one that never ran here.

    Args:
        nodes: Ids of the nodes that were asked for.
        output_dir: Output directory of the run.
        received: What TFX says.
    """
    return InputError(
        f"{', '.join(nodes)} cannot run: what an earlier step leaves is not in the output directory.",
        received=received,
        expected=f"the earlier steps' results below {output_dir.absolute()}",
        action="Run the earlier steps first (`belka run --to ...` or one `belka step ...` after the other).",
    )


def _latest_run(store: Any, pipeline_name: str) -> Any:
    """The context of the run that began last; None where there is none."""
    pipeline = store.get_context_by_type_and_name("pipeline", pipeline_name)
    kinds = {kind.name: kind.id for kind in store.get_context_types()}
    children = store.get_children_contexts_by_context(pipeline.id) if pipeline else []
    runs = [context for context in children if context.type_id == kinds.get("pipeline_run")]
    return max(runs, key=lambda run: (run.create_time_since_epoch, run.id), default=None)


def _is_whole(store: Any, execution: int) -> bool:
    """Whether all that an execution wrote is still there."""
    written = metadata_store_pb2.Event.OUTPUT
    events = [event for event in store.get_events_by_execution_ids([execution]) if event.type == written]
    artifacts: list[Any] = store.get_artifacts_by_id([event.artifact_id for event in events])
    live = metadata_store_pb2.Artifact.LIVE
    return all(each.state == live and Path(each.uri).exists() for each in artifacts)
