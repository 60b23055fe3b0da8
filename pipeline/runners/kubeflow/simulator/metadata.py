"""What the backend's metadata store keeps between tasks and runs, in one JSON file: artifacts, and executions by fingerprint."""

import hashlib
import json
from pathlib import Path
from typing import Any

from belka.files import atomic_path
from pipeline.runners.kubeflow.simulator.pipeline_file import Json, TaskSpec

DISPLAY_NAME = "display_name"


class MetadataStore:
    """Artifacts by id, and the outputs of finished executions by fingerprint.

    Args:
        path: The JSON file; made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: Json = {"artifacts": {}, "executions": {}}
        if path.is_file():
            self._content = json.loads(path.read_text(encoding="utf-8"))

    def record(self, output: str, artifact: Json) -> str:
        """Keep an artifact and give it an id. As in the store of the backend, only the title of its type survives.

        Args:
            output: Output key, which becomes the display name.
            artifact: RuntimeArtifact as JSON.
        """
        identity = str(len(self._content["artifacts"]) + 1)
        metadata = {**artifact.get("metadata", {}), DISPLAY_NAME: output}
        self._content["artifacts"][identity] = {"uri": artifact["uri"], "metadata": metadata}
        self._save()
        return identity

    def runtime_artifact(self, identity: str) -> Json:
        """The artifact as a task reads it back: with an empty type."""
        kept = self._content["artifacts"][identity]
        return {
            "name": identity,
            "type": {"instanceSchema": ""},
            "uri": kept["uri"],
            "metadata": dict(kept["metadata"]),
        }

    def finish(self, fingerprint: str, outputs: Json) -> None:
        """Remember the outputs of an execution."""
        self._content["executions"][fingerprint] = outputs
        self._save()

    def cached(self, fingerprint: str) -> Json | None:
        """The outputs of an earlier execution with this fingerprint."""
        outputs: Json | None = self._content["executions"].get(fingerprint)
        return outputs

    def _save(self) -> None:
        with atomic_path(self._path) as temporary:
            temporary.write_text(json.dumps(self._content, indent=1), encoding="utf-8")


def fingerprint(task: TaskSpec, executor_input: Json) -> str:
    """The cache key of a task.

    Source: GenerateCacheKey in kubeflow/pipelines, backend/src/v2/cacheutils/cache.go: ids of input artifacts, parameter values, types of
    outputs without their URIs, image string, command with arguments, claims and environment.
    """
    inputs, outputs = executor_input["inputs"], executor_input["outputs"]
    key: dict[str, Any] = {
        "inputArtifactNames": {
            name: [artifact["name"] for artifact in listed["artifacts"]]
            for name, listed in inputs.get("artifacts", {}).items()
        },
        "inputParameterValues": inputs.get("parameterValues", {}),
        "outputArtifactsSpec": {
            name: [artifact.get("type") for artifact in listed["artifacts"]]
            for name, listed in outputs.get("artifacts", {}).items()
        },
        "outputParametersSpec": sorted(outputs.get("parameters", {})),
        "image": task.container["image"],
        "cmdArgs": [*task.container.get("command", ()), *task.container.get("args", ())],
        "pvcNames": sorted(task.volumes),
        "env": task.container.get("env", []),
    }
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode("utf-8")).hexdigest()
