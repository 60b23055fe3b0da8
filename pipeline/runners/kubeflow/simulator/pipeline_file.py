"""Read a compiled pipeline and put its tasks in order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

import yaml

from belka.errors import InputError

SCHEMA_VERSION: Final = "2.1.0"
Json = dict[str, Any]


@dataclass(frozen=True)
class TaskSpec:
    """One task of a compiled pipeline.

    Args:
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

    Args:
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


def read_pipeline(path: Path) -> PipelineFile:
    """Read the YAML file that `belka compile` writes.

    Args:
        path: The file: the pipeline, and optionally the platform document.

    Raises:
        InputError: There is no such file, it is no compiled pipeline, or the backend would refuse it.
    """
    if not path.is_file():
        raise InputError(
            "there is no compiled pipeline",
            received=str(path),
            expected="the YAML file of `belka compile`",
            action="compile first: belka compile --out pipeline.yaml",
        )
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        spec: Json = documents[0]
        version, tasks = spec["schemaVersion"], spec["root"]["dag"]["tasks"]
    except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError) as error:
        raise InputError(
            "this is no compiled pipeline",
            received=f"{path}: {type(error).__name__}: {error}",
            expected="the YAML file of `belka compile`",
            action="compile again",
        ) from error
    if version != SCHEMA_VERSION:
        raise InputError(
            "the API server of Kubeflow Pipelines refuses this schema",
            received=f"schemaVersion {version}",
            expected=SCHEMA_VERSION,
            action="compile with `belka compile`",
        )
    platform = documents[1] if len(documents) > 1 else {}
    declared: Json = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    return PipelineFile(
        name=spec["pipelineInfo"]["name"],
        parameters={name: definition.get("defaultValue") for name, definition in declared.items()},
        parameter_types={name: definition["parameterType"] for name, definition in declared.items()},
        tasks=tuple(_task(spec, platform, name) for name in _order(tasks)),
        pipeline_root=spec.get("defaultPipelineRoot"),
    )


def _order(tasks: Json) -> list[str]:
    try:
        return list(
            TopologicalSorter({name: task.get("dependentTasks", ()) for name, task in tasks.items()}).static_order()
        )
    except CycleError as error:
        raise InputError(
            "the tasks wait for one another", received=" -> ".join(error.args[1]), action="compile again"
        ) from error


def _task(spec: Json, platform: Json, name: str) -> TaskSpec:
    task = spec["root"]["dag"]["tasks"][name]
    component = spec["components"][task["componentRef"]["name"]]
    label = component["executorLabel"]
    executor = spec["deploymentSpec"]["executors"][label]
    if "container" not in executor:
        raise InputError(
            f"the backend does not run the task {name}",
            received=f"a {', '.join(executor)}",
            expected="a container",
            action="replace resolvers by components that read a file",
        )
    executors = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
    mounts = executors.get(label, {}).get("pvcMount", ())
    # A copy each: nothing a task's run changes may reach another.
    return TaskSpec(
        name=name,
        task=json.loads(json.dumps(task)),
        component=json.loads(json.dumps(component)),
        container=json.loads(json.dumps(executor["container"])),
        volumes={mount["constant"]: mount["mountPath"] for mount in mounts},
    )
