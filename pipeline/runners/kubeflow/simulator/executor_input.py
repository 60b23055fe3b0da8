"""Build the message a task receives, by the rules of the backend's driver."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from belka.errors import InputError
from pipeline.runners.kubeflow.pipeline_file import TaskSpec, parameters_of
from pipeline.runners.kubeflow.protocol import EXECUTOR_LOGS, Json
from pipeline.runners.kubeflow.simulator.metadata import MetadataStore

OUTPUT_FILE: Final = "output_metadata.json"


def build_executor_input(
    task: TaskSpec,
    *,
    run_root: str,
    scratch: Path,
    parameters: Mapping[str, Any],
    finished: Mapping[str, Json],
    store: MetadataStore,
) -> Json:
    """Build the ExecutorInput of one task.

    Source: Container, resolveInputs and provisionOutputs in kubeflow/pipelines, backend/src/v2/driver.

    Args:
        task: The task.
        run_root: Bucket URI below which the run's artifacts go.
        scratch: Local folder for output files of the task.
        parameters: Values of the pipeline's parameters.
        finished: Task -> its outputs: `artifacts` (key -> ids) and `parameters` (key -> value).
        store: The metadata store.

    Returns:
        ExecutorInput as JSON.
    """
    artifacts: dict[str, Json] = {}
    for name, wired in task.task.get("inputs", {}).get("artifacts", {}).items():
        source = wired["taskOutputArtifact"]
        ids = finished[source["producerTask"]]["artifacts"][source["outputArtifactKey"]]
        artifacts[name] = {"artifacts": [store.runtime_artifact(identity) for identity in ids]}
    return {
        "inputs": {
            "artifacts": artifacts,
            "parameterValues": {
                name: _value(task, name, source, parameters, finished)
                for name, source in parameters_of(task.task).items()
            },
        },
        "outputs": _outputs(task, run_root, scratch),
    }


def _value(task: TaskSpec, name: str, source: Json, parameters: Mapping[str, Any], finished: Mapping[str, Json]) -> Any:
    if "runtimeValue" in source:
        value = source["runtimeValue"]["constant"]
    elif "componentInputParameter" in source:
        value = parameters[source["componentInputParameter"]]
    else:
        produced = source["taskOutputParameter"]
        if produced["producerTask"] not in finished:
            raise InputError(
                f"The parameter {name} of {task.name} comes from a task that does not exist.",
                received=str(produced["producerTask"]),
                expected=f"one of {', '.join(finished)}",
                action="Compile with `belka compile`.",
            )
        value = finished[produced["producerTask"]]["parameters"][produced["outputParameterKey"]]
    kind = task.component["inputDefinitions"]["parameters"][name]["parameterType"]
    return _as_declared(value, kind)


def _as_declared(value: Any, kind: str) -> Any:
    # The protocol knows one kind of number, and the driver writes a value as text where text is declared.
    if kind == "STRING" and not isinstance(value, str):
        return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value).lower()
    if isinstance(value, bool):
        return value if kind == "BOOLEAN" else float(value)
    return float(value) if isinstance(value, int) else value


def _outputs(task: TaskSpec, run_root: str, scratch: Path) -> Json:
    definitions = task.component.get("outputDefinitions", {})
    types = {key: artifact["artifactType"] for key, artifact in definitions.get("artifacts", {}).items()}
    types[EXECUTOR_LOGS] = {"schemaTitle": "system.Artifact"}
    # As in the backend, the URI is salted: two executions never share a place.
    folder = f"{run_root}/{task.name}/{uuid.uuid4()}"
    return {
        "artifacts": {
            key: {"artifacts": [{"type": kind, "uri": f"{folder}/{key}", "metadata": {}}]}
            for key, kind in types.items()
        },
        "parameters": {
            key: {"outputFile": str(scratch / "outputs" / key)} for key in definitions.get("parameters", {})
        },
        "outputFile": str(scratch / OUTPUT_FILE),
    }
