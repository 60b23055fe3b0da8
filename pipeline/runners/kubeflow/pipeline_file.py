"""The file of a compiled pipeline: its parts, its tasks in order, and the values that a run gives to its parameters.

The file is kubeflow/pipelines' pipeline_spec.proto as JSON: `components` declares inputs and outputs, `root.dag.tasks`
wires them, `deploymentSpec.executors` names image, command and resources.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from belka.errors import InputError
from pipeline.runners.kubeflow.protocol import Json

SCHEMA_VERSION: Final = "2.1.0"
BOOLEAN: Final = "BOOLEAN"
# ParameterType of pipeline_spec.proto -> what a value of it is, and how it is written. STRING is anything else.
JSON_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    BOOLEAN: ((bool,), "true or false"),
    "NUMBER_INTEGER": ((int,), "a whole number"),
    "NUMBER_DOUBLE": ((int, float), "a number"),
    "LIST": ((list,), "a JSON list"),
    "STRUCT": ((dict,), "a JSON object"),
}


@dataclass(frozen=True)
class TaskSpec:
    """One task of a compiled pipeline.

    Attributes:
        name: Its name.
        task: Its wiring (PipelineTaskSpec).
        component: Its inputs and outputs (ComponentSpec).
        container: Its image, command, arguments and environment.
        volumes: Claim -> mount path.
    """

    name: str
    task: Json
    component: Json
    container: Json
    volumes: Mapping[str, str]

    @property
    def upstream(self) -> tuple[str, ...]:
        """Tasks that must be over before this one."""
        return tuple(self.task.get("dependentTasks", ()))

    @property
    def attempts(self) -> int:
        """How often it is tried."""
        return 1 + int(self.task.get("retryPolicy", {}).get("maxRetryCount", 0))

    @property
    def cached(self) -> bool:
        """Whether the cache may serve it."""
        return bool(self.task.get("cachingOptions", {}).get("enableCache", False))


@dataclass(frozen=True)
class PipelineFile:
    """A compiled pipeline.

    Attributes:
        name: Name of the pipeline.
        parameters: Parameter -> default; None where the run must give a value.
        parameter_types: Parameter -> its type (ParameterType of pipeline_spec.proto).
        tasks: Tasks in an order in which they can run.
        pipeline_root: Bucket URI below which artifacts go; None = the installation's default.
    """

    name: str
    parameters: Mapping[str, Any]
    parameter_types: Mapping[str, str]
    tasks: tuple[TaskSpec, ...]
    pipeline_root: str | None = None


def tasks_of(spec: Json) -> Json:
    """Task name -> task."""
    tasks: Json = spec["root"]["dag"]["tasks"]
    return tasks


def parameters_of(task: Json) -> Json:
    """The parameters that a task receives: name -> where the value comes from."""
    parameters: Json = task.get("inputs", {}).get("parameters", {})
    return parameters


def component_of(spec: Json, task: str) -> Json:
    """The component of a task."""
    component: Json = spec["components"][tasks_of(spec)[task]["componentRef"]["name"]]
    return component


def executor_of(spec: Json, task: str) -> Json:
    """The executor of a task: a container, or what the backend does not run."""
    executor: Json = spec["deploymentSpec"]["executors"][component_of(spec, task)["executorLabel"]]
    return executor


def container_of(spec: Json, task: str) -> Json:
    """The container of a task."""
    container: Json = executor_of(spec, task)["container"]
    return container


def read_pipeline(path: Path) -> PipelineFile:
    """Read the YAML file that `belka compile` writes.

    Args:
        path: The file: the pipeline, and optionally the platform document.

    Raises:
        InputError: There is no such file, it is no compiled pipeline, or the backend would refuse it.
    """
    if not path.is_file():
        raise InputError(
            "There is no compiled pipeline.",
            received=str(path),
            expected="the YAML file of `belka compile`",
            action="Compile first: `belka compile --out pipeline.yaml`.",
        )
    try:
        return _pipeline(list(yaml.safe_load_all(path.read_text(encoding="utf-8"))))
    # Whatever a text can hold in the place of a mapping, a name or a number; UnicodeDecodeError is a ValueError.
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise InputError(
            "This is no compiled pipeline.",
            received=f"{path}: {type(error).__name__}: {error}",
            expected="the YAML file of `belka compile`",
            action="Compile again.",
        ) from error


def _pipeline(documents: list[Any]) -> PipelineFile:
    """The pipeline that documents of YAML describe; any error of Python's where they do not."""
    spec: Json = documents[0]
    version, tasks = spec["schemaVersion"], tasks_of(spec)
    if version != SCHEMA_VERSION:
        raise InputError(
            "The API server of Kubeflow Pipelines refuses this schema.",
            received=f"schemaVersion {version}",
            expected=SCHEMA_VERSION,
            action="Compile with `belka compile`.",
        )
    platform = documents[1] if len(documents) > 1 else {}
    declared: Json = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    name, root = spec["pipelineInfo"]["name"], spec.get("defaultPipelineRoot")
    if not isinstance(name, str) or not isinstance(root, str | None):
        raise TypeError(f"a pipeline named {name!r} with the root {root!r}")
    return PipelineFile(
        name=name,
        parameters={name: definition.get("defaultValue") for name, definition in declared.items()},
        parameter_types={name: definition["parameterType"] for name, definition in declared.items()},
        tasks=tuple(_task(spec, platform, name) for name in _order(tasks)),
        pipeline_root=root,
    )


def run_parameters(pipeline: PipelineFile, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the values that a run gives, and give each the type of its parameter.

    Args:
        pipeline: The compiled pipeline.
        given: Parameter -> value, or the value as a text. The text of a STRING stays as it is, whatever it looks like
            (2026-01-15 is no date, 007 no number); other types are read as JSON.

    Returns:
        Parameter -> value, of the given parameters only.

    Raises:
        InputError: The pipeline has no such parameter, or the value is not of its type.
    """
    if unknown := sorted(given.keys() - pipeline.parameters.keys()):
        raise InputError(
            "The pipeline has no such parameter.",
            received=", ".join(unknown),
            expected=", ".join(sorted(pipeline.parameters)) or "no parameters at all",
            action="Correct --parameter.",
        )
    return {name: _typed(name, pipeline.parameter_types[name], value) for name, value in given.items()}


def _order(tasks: Json) -> list[str]:
    upstream = {name: task.get("dependentTasks", ()) for name, task in tasks.items()}
    try:
        return list(TopologicalSorter(upstream).static_order())
    except CycleError as error:
        raise InputError(
            "The tasks wait for one another.", received=" -> ".join(error.args[1]), action="Compile again."
        ) from error


def _task(spec: Json, platform: Json, name: str) -> TaskSpec:
    component, executor = component_of(spec, name), executor_of(spec, name)
    if "container" not in executor:
        raise InputError(
            f"The backend does not run the task {name}.",
            received=f"a {', '.join(executor)}",
            expected="a container",
            action="Replace resolvers by components that read a file.",
        )
    executors = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    mounts = executors.get(component["executorLabel"], {}).get("pvcMount", ())
    # Copies: nothing that one task's run changes may reach another task.
    parts = copy.deepcopy((tasks_of(spec)[name], component, executor["container"]))
    if not all(isinstance(part, dict) for part in parts):
        raise TypeError(f"the task {name} is no mapping")
    task = TaskSpec(name, *parts, {mount["constant"]: mount["mountPath"] for mount in mounts})
    _ = task.upstream, task.attempts, task.cached  # read later, where an error would be one of the program
    return task


def _typed(name: str, kind: str, value: Any) -> Any:
    types, form = JSON_TYPES.get(kind, ((str,), "a text"))
    read = value
    if isinstance(value, str) and kind in JSON_TYPES:
        try:
            read = json.loads(value, parse_constant=_refuse)
        except ValueError:
            read = None
    # Python takes a boolean for an integer; the backend does not.
    if not isinstance(read, types) or isinstance(read, bool) != (kind == BOOLEAN):
        raise InputError(
            f"The parameter {name} has a value of another type.",
            received=f"{value!r}",
            expected=f"{form} ({kind})",
            action=f"Correct --parameter {name}=...",
        )
    return read


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number that JSON has")
