"""Where a model comes from: the executions behind it, what they read and their settings.

Its provenance.json says so, wherever the model was copied; for models of earlier versions ML Metadata does.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2

from belka.contract import DIGEST_PROPERTY, METADATA_FILE, SERVING_FOLDER
from belka.errors import InputError
from belka.models.champion import model_digest
from belka.models.description import read_description
from belka.models.folder import find_saved_model
from belka.places.names import place_of
from belka.provenance import Provenance, changed_files, read_provenance
from pipeline.runners.metadata_store import is_store, reading

_Event = metadata_store_pb2.Event
_OUTPUTS: Final = (_Event.OUTPUT, _Event.DECLARED_OUTPUT)
_INPUTS: Final = (_Event.INPUT, _Event.DECLARED_INPUT)
_FINISHED: Final = metadata_store_pb2.Execution.COMPLETE
# Execution parameters that name the content of the raw files; stores of runs before 0.2 have the second.
_RAW_DIGESTS: Final = ("raw_digest", "raw_fingerprint")
# What TFX adds to an execution beside the component's own parameters.
_TFX_OWN: Final = ("tfx_version", "__execution_set_size__", "__execution_timestamp__", "__external_execution_index__")


@dataclass(frozen=True)
class ArtifactRecord:
    """An artifact.

    Attributes:
        id: The SHA-256 of its files; its number where the store was read.
        key: Name of the input or output of the component.
        uri: Where it is.
    """

    id: str
    key: str
    uri: str


@dataclass(frozen=True)
class ExecutionRecord:
    """A component's run.

    Attributes:
        id: The run it belonged to; its number where the store was read.
        node: Node id.
        finished: When it ended.
        code: Version of the code it can import; empty where the store was read, which has it among the parameters.
        parameters: The component's parameters; JSON texts as what they hold.
        inputs: Artifacts it read.
        outputs: Artifacts it wrote.
    """

    id: str
    node: str
    finished: str
    code: str
    parameters: dict[str, Any]
    inputs: tuple[ArtifactRecord, ...]
    outputs: tuple[ArtifactRecord, ...]


@dataclass(frozen=True)
class Lineage:
    """Where a model comes from.

    Attributes:
        model: Folder of the SavedModel.
        digest: SHA-256 of its files.
        code: The code that trained it; empty where the model does not say.
        raw_files: Name -> SHA-256; empty where the run named the content otherwise.
        raw_dir: Folder the raw files were read from.
        raw_digest: Their content as the run named it.
        executions: Everything that led to the model, in the order it ran.
        changed: Files of the model that are not as they were written; none where the store was read.
    """

    model: str
    digest: str
    code: str
    raw_files: dict[str, str]
    raw_dir: str
    raw_digest: str
    executions: tuple[ExecutionRecord, ...]
    changed: tuple[str, ...] = ()


def trace_model(model_dir: Path, database: Path | None = None) -> Lineage:
    """Find the executions behind a model.

    Args:
        model_dir: A folder that `belka predict` takes.
        database: The SQLite file of ML Metadata to read instead of the model's provenance; None = for a model without
            provenance, metadata.db in the nearest folder above it that has one.

    Returns:
        The lineage.

    Raises:
        InputError: There is no model or no store, or the store does not know the model.
    """
    path = find_saved_model(model_dir)
    digest = model_digest(path)
    folder = path.parent if path.name == SERVING_FOLDER else path
    if database is None and (known := read_provenance(folder)):
        return _by_provenance(path, folder, digest, known)
    database = database or _nearest_database(path)
    if not is_store(database):
        raise InputError(
            "The metadata store does not exist, or holds nothing.",
            received=str(database.absolute()),
            expected="a SQLite file",
        )
    try:
        with reading(database) as store:
            graph = _Graph(store)
        start = graph.model_artifact(digest)
    except (errors.StatusError, RuntimeError, sqlite3.Error) as error:
        raise InputError(
            "The metadata store cannot be read.",
            received=f"{database}: {error}",
            expected="the SQLite file that a run wrote",
            action="Name another file with --metadata.",
        ) from error
    if start is None:
        raise InputError(
            "The metadata store does not know the model.",
            received=f"{path} (SHA-256 {digest}), {database}",
            expected="the store of the run that trained it",
            action="Name the right store with --metadata.",
        )
    executions = graph.upstream(start)
    parameters: Mapping[str, Any] = next(
        (e.parameters for e in executions if any(name in e.parameters for name in _RAW_DIGESTS)), {}
    )
    raw_digest = next((str(parameters[name]) for name in _RAW_DIGESTS if name in parameters), "")
    description = read_description(path)
    return Lineage(
        place_of(path.absolute()),
        digest,
        description.code if description else "",
        dict(part.split("=", 1) for part in raw_digest.split() if "=" in part),
        str(parameters.get("raw_dir", "")),
        raw_digest,
        executions,
    )


def _by_provenance(path: Path, folder: Path, digest: str, known: Provenance) -> Lineage:
    executions: dict[tuple[str, str], ExecutionRecord] = {}
    for record in known.history:
        made = ArtifactRecord(f"SHA-256 {record.digest}", record.output, record.uri)
        execution = executions.get((record.step, record.finished)) or ExecutionRecord(
            f"run {record.run}",
            record.step,
            record.finished,
            record.code_version,
            record.settings,
            tuple(ArtifactRecord(f"SHA-256 {each.digest}", each.name, each.uri) for each in record.inputs),
            (),
        )
        executions[record.step, record.finished] = replace(execution, outputs=(*execution.outputs, made))
    description, origin = read_description(path), known.origin
    return Lineage(
        place_of(path.absolute()),
        digest,
        description.code if description else "",
        origin.raw_files,
        origin.inputs[0].uri if origin.inputs else "",
        " ".join(f"{name}={content}" for name, content in origin.raw_files.items()),
        tuple(executions.values()),
        tuple(changed_files(folder)),
    )


class _Graph:
    """The whole store, indexed by artifact and by execution: a run has a few dozen of each."""

    def __init__(self, store: Any) -> None:
        self._artifacts = {artifact.id: artifact for artifact in store.get_artifacts()}
        self._executions = {execution.id: execution for execution in store.get_executions()}
        self._events = store.get_events_by_execution_ids(list(self._executions)) if self._executions else []
        self._nodes = {
            execution: context.name.partition(".")[2]
            for context in store.get_contexts_by_type("node")
            for execution in (e.id for e in store.get_executions_by_context(context.id))
        }

    def model_artifact(self, digest: str) -> int | None:
        """The artifact of the trained model with these files; the pushed copy where the trained one is gone."""
        for artifact in self._artifacts.values():
            folder = Path(artifact.uri) / SERVING_FOLDER
            if artifact.type == "Model" and folder.is_dir() and model_digest(folder) == digest:
                return int(artifact.id)
        pushed = (a.id for a in self._artifacts.values() if a.custom_properties[DIGEST_PROPERTY].string_value == digest)
        return next(pushed, None)

    def upstream(self, artifact: int) -> tuple[ExecutionRecord, ...]:
        """The executions that led to an artifact, each artifact by the one that made it, not by a cached repetition."""
        waiting, found = [artifact], dict[int, ExecutionRecord]()
        while waiting:
            wanted = waiting.pop()
            makers = [e.execution_id for e in self._events if e.artifact_id == wanted and e.type in _OUTPUTS]
            real = [i for i in makers if self._executions[i].last_known_state == _FINISHED]
            for number in sorted(real or makers)[:1]:
                if number not in found:
                    found[number] = self._record(number)
                    waiting += [e.artifact_id for e in self._events if e.execution_id == number and e.type in _INPUTS]
        return tuple(found[number] for number in sorted(found))

    def _record(self, number: int) -> ExecutionRecord:
        execution = self._executions[number]
        parameters = {
            name: _plain(value)
            for name, value in sorted(execution.custom_properties.items())
            if name not in _TFX_OWN and not name.startswith("schema__")
        }
        ended = datetime.fromtimestamp(execution.last_update_time_since_epoch / 1000, UTC)
        return ExecutionRecord(
            f"execution {number}",
            self._nodes.get(number, ""),
            ended.isoformat(timespec="seconds"),
            "",
            parameters,
            self._records(number, _INPUTS),
            self._records(number, _OUTPUTS),
        )

    def _records(self, execution: int, kinds: Iterable[int]) -> tuple[ArtifactRecord, ...]:
        return tuple(
            ArtifactRecord(f"artifact {made.id}", event.path.steps[0].key, made.uri)
            for event in self._events
            if event.execution_id == execution and event.type in kinds and (made := self._artifacts[event.artifact_id])
        )


def _plain(value: Any) -> Any:
    content = getattr(value, value.WhichOneof("value"))
    if isinstance(content, str) and content[:1] in ("{", "["):
        try:
            return json.loads(content)
        except ValueError:
            return content
    return content


def _nearest_database(model: Path) -> Path:
    for folder in model.absolute().parents:
        if (folder / METADATA_FILE).is_file():
            return folder / METADATA_FILE
    raise InputError(
        "There is no metadata store above the model.",
        received=str(model.absolute()),
        expected=f"{METADATA_FILE} of the run that trained it, in the output directory",
        action="Name the file with --metadata. On Kubeflow Pipelines its own pages show the lineage of every artifact.",
    )
