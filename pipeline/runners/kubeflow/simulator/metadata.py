"""The backend's metadata store, in one JSON file: artifacts, and executions by cache key, from run to run."""

import hashlib
import json
from pathlib import Path

from belka.errors import BelkaError
from belka.state_files import read_or_set_aside, write_state
from pipeline.runners.kubeflow.pipeline_file import TaskSpec
from pipeline.runners.kubeflow.protocol import Json, artifacts_of

DISPLAY_NAME = "display_name"


class MetadataStore:
    """Artifacts by id, and the outputs of finished executions by cache key.

    Args:
        path: The JSON file; made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: Json = read_or_set_aside(path) or {"artifacts": {}, "executions": {}}

    def record(self, output: str, uri: str, metadata: Json) -> str:
        """Keep an artifact and give it an id. As in the backend's store, its type does not survive.

        Args:
            output: Output key, which becomes the display name.
            uri: Where it is.
            metadata: Its properties.
        """
        identity = str(len(self._content["artifacts"]) + 1)
        self._content["artifacts"][identity] = {"uri": uri, "metadata": {**metadata, DISPLAY_NAME: output}}
        self._save()
        return identity

    def runtime_artifact(self, identity: str) -> Json:
        """The artifact as a task reads it back: with an empty type."""
        kept = self._content["artifacts"][identity]
        return {"name": identity, "type": {"instanceSchema": ""}, "uri": kept["uri"], "metadata": {**kept["metadata"]}}

    def finish(self, key: str, outputs: Json) -> None:
        """Remember the outputs of an execution."""
        self._content["executions"][key] = outputs
        self._save()

    def cached(self, key: str) -> Json | None:
        """The outputs of an earlier execution with this cache key."""
        outputs: Json | None = self._content["executions"].get(key)
        return outputs

    def _save(self) -> None:
        write_state(self._path, self._content)


def check_events(task: str, executor_input: Json) -> None:
    """Refuse what ML Metadata refuses: one artifact under two inputs of one task.

    Source: seen on 2.17.0. Its table of events is unique by artifact, execution and type; the driver ends with code 1
    before any pod of the task starts.

    Args:
        task: Name of the task.
        executor_input: What its pod would receive.

    Raises:
        BelkaError: An artifact comes twice.
    """
    keys: dict[str, list[str]] = {}
    for key, artifact in artifacts_of(executor_input["inputs"]):
        keys.setdefault(artifact["name"], []).append(key)
    if twice := [" and ".join(named) for named in keys.values() if len(named) > 1]:
        raise BelkaError(
            f"The driver of {task} fails: ML Metadata keeps one event for an artifact, an execution and a direction.",
            received=f"one artifact wired to {'; '.join(twice)}",
            expected="a different artifact for each input",
            action="Wire it once, and let the component use it for both.",
        )


def cache_key(task: TaskSpec, executor_input: Json) -> str:
    """The cache key of a task.

    Source: GenerateCacheKey in kubeflow/pipelines, backend/src/v2/cacheutils/cache.go: ids of input artifacts,
    parameter values, types of outputs without their URIs, image string, command with arguments, claims and environment.
    """
    inputs, outputs = executor_input["inputs"], executor_input["outputs"]
    read, written = inputs.get("artifacts", {}), outputs.get("artifacts", {})
    parts: Json = {
        "inputArtifactNames": {key: [made["name"] for made in listed["artifacts"]] for key, listed in read.items()},
        "inputParameterValues": inputs.get("parameterValues", {}),
        "outputArtifactsSpec": {
            key: [made.get("type") for made in listed["artifacts"]] for key, listed in written.items()
        },
        "outputParametersSpec": sorted(outputs.get("parameters", {})),
        "image": task.container["image"],
        "cmdArgs": [*task.container.get("command", ()), *task.container.get("args", ())],
        "pvcNames": sorted(task.volumes),
        "env": task.container.get("env", []),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()
