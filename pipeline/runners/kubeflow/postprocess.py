"""What TFX leaves out of the pipeline spec it compiles for Kubeflow, added to the plain dictionary of the YAML file.

Every function changes the spec in place and does one thing.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from belka.beam_flags import WORKERS_FLAG
from belka.settings import COMPUTATION_VARIABLE
from pipeline.runners.kubeflow.displays import Display
from pipeline.runners.kubeflow.pipeline_file import BOOLEAN, component_of, container_of, parameters_of, tasks_of
from pipeline.runners.kubeflow.protocol import Json
from pipeline.runners.kubeflow.settings import KubeflowSettings, PodSettings

INPUTS_SPEC_FLAG: Final = "--json_serialized_inputs_spec_args"
DISPLAY_FLAG: Final = "--display"
DISPLAY_SCHEMA_VERSION: Final = "0.0.1"
COMPACT: Final = (",", ":")  # JSON without blanks
CONDITION_INPUT: Final = re.compile(r"inputs\.artifacts\['([^']+)'\]")
_DESCRIPTION: Final = re.compile(r"(?m)^ *description: .*\n")  # of a property, in the YAML that TFX writes: one line


def type_booleans(spec: Json, booleans: Iterable[tuple[str, str]]) -> None:
    """Make boolean parameters booleans: TFX compiles them to integers, so that a component would receive 1 for True.

    Args:
        spec: The compiled pipeline.
        booleans: Task names, each with the name of a boolean parameter.
    """
    for task, name in booleans:
        component_of(spec, task)["inputDefinitions"]["parameters"][name]["parameterType"] = BOOLEAN
        value = parameters_of(tasks_of(spec)[task])[name].get("runtimeValue", {})
        if "constant" in value:
            value["constant"] = bool(value["constant"])
        _rewrite_inputs_spec(spec, task)


def restore_defaults(spec: Json, defaults: Mapping[str, bool | float | str]) -> None:
    """Write the defaults of runtime parameters back, which schema 2.1 output of TFX drops.

    Args:
        spec: The compiled pipeline.
        defaults: Pipeline parameter -> default.
    """
    parameters = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name in defaults.keys() & parameters.keys():
        parameters[name]["defaultValue"] = defaults[name]
        parameters[name]["isOptional"] = True


def expose_parameters(spec: Json, names: Sequence[str]) -> None:
    """Turn constants of tasks into parameters of the pipeline that a run may set; the constant becomes the default.

    Args:
        spec: The compiled pipeline.
        names: Parameters; one that several tasks share must have one value in all of them.
    """
    for task_name, task in tasks_of(spec).items():
        given = parameters_of(task)
        for name in names:
            if "constant" not in given.get(name, {}).get("runtimeValue", {}):
                continue
            default = given[name]["runtimeValue"]["constant"]
            given[name] = {"componentInputParameter": name}
            kind = component_of(spec, task_name)["inputDefinitions"]["parameters"][name]["parameterType"]
            definitions = spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
            definitions[name] = {"parameterType": kind, "defaultValue": default, "isOptional": True}


def wire_dynamic_parameters(spec: Json) -> None:
    """Name the tasks that dynamic parameters come from, and give the parameters the type of what is produced.

    TFX appends `_task` to the producer's name, which no task has, and types every such parameter as text.
    """
    tasks = tasks_of(spec)
    for task_name, task in tasks.items():
        for name, parameter in parameters_of(task).items():
            produced = parameter.get("taskOutputParameter")
            if produced is None:
                continue
            if produced["producerTask"] not in tasks:
                produced["producerTask"] = produced["producerTask"].removesuffix("_task")
            if produced["producerTask"] in tasks:
                outputs = component_of(spec, produced["producerTask"])["outputDefinitions"]["parameters"]
                definition = component_of(spec, task_name)["inputDefinitions"]["parameters"][name]
                definition["parameterType"] = outputs[produced["outputParameterKey"]]["parameterType"]
                _rewrite_inputs_spec(spec, task_name)


def wire_conditions(spec: Json) -> None:
    """Have conditions name inputs that their tasks have.

    TFX names an artifact `_producer.output` there, also where the task reads that artifact under a name of its own: the
    backend finds no such input, and the run fails.
    """
    for task in tasks_of(spec).values():
        wired = task.get("inputs", {}).get("artifacts", {})
        own_names = {
            f"_{produced['producerTask']}.{produced['outputArtifactKey']}": name
            for name, source in wired.items()
            if (produced := source.get("taskOutputArtifact")) is not None
        }
        for implicit in (condition_inputs(task) - wired.keys()) & own_names.keys():
            policy = task["triggerPolicy"]
            policy["condition"] = policy["condition"].replace(f"['{implicit}']", f"['{own_names[implicit]}']")


def condition_inputs(task: Mapping[str, Any]) -> set[str]:
    """The input artifacts that the condition of a task names."""
    return set(CONDITION_INPUT.findall(task.get("triggerPolicy", {}).get("condition", "")))


def shorten(spec: Json) -> None:
    """Leave out what only a reader of the file would miss: descriptions in artifact types, and blanks in JSON.

    The workflow engine keeps each text of a task 5 to 12 times, escaped twice, in a status that it compresses beyond
    1 MiB; Kubeflow's API does not see a task's changes from there on.
    """
    for task in tasks_of(spec):
        component = component_of(spec, task)
        for side in ("inputDefinitions", "outputDefinitions"):
            for artifact in component.get(side, {}).get("artifacts", {}).values():
                kind = artifact["artifactType"]
                if "instanceSchema" in kind:
                    kind["instanceSchema"] = _DESCRIPTION.sub("", kind["instanceSchema"])
        if INPUTS_SPEC_FLAG in container_of(spec, task)["args"]:
            _rewrite_inputs_spec(spec, task)


def set_pods(spec: Json, settings: KubeflowSettings) -> None:
    """Give every task its resources, environment and retries.

    Args:
        spec: The compiled pipeline.
        settings: The section `kubeflow` of the configuration.
    """
    for name, task in tasks_of(spec).items():
        container = container_of(spec, name)
        container["resources"] = _resources(settings.node(name))
        if settings.env:
            container["env"] = [{"name": key, "value": value} for key, value in sorted(settings.env.items())]
        retry = settings.retry
        if retry.retries:
            task["retryPolicy"] = {
                "maxRetryCount": retry.retries,
                "backoffDuration": f"{retry.backoff_seconds}s",
                "backoffFactor": retry.backoff_factor,
                # Argo's maxDuration, counted from the first attempt; left out, it is 0 and ends retries too.
                "backoffMaxDuration": f"{retry.give_up_after_seconds}s",
            }


def set_computation(
    spec: Json, settings: KubeflowSettings, values: Mapping[str, Mapping[str, Any]], *, by_cores: bool
) -> None:
    """Tell every task how to compute, beside the parameters that decide what.

    Args:
        spec: The compiled pipeline.
        settings: The section `kubeflow` of the configuration.
        values: What `belka.settings.computing` selects.
        by_cores: Whether a task runs as many workers as its own pod has cores, its own and Beam's.
    """
    for name in tasks_of(spec):
        container = container_of(spec, name)
        own, node = values, settings.node(name)
        if node.spot:
            most = settings.spot.checkpoint_every_steps
            training = own["training"]
            every = min(most, training["checkpoint_every_steps"] or most)
            own = {**own, "training": {**training, "checkpoint_every_steps": every}}
        if by_cores:
            cores = max(1, int(node.cpu))
            own = {**own, "system": {**own["system"], "n_workers": cores}}
            container["args"] = [
                f"{WORKERS_FLAG}{cores}" if argument.startswith(WORKERS_FLAG) else argument
                for argument in container["args"]
            ]
        value = json.dumps(own, sort_keys=True, separators=COMPACT)
        container.setdefault("env", []).append({"name": COMPUTATION_VARIABLE, "value": value})


def forbid_cache(spec: Json, tasks: Iterable[str]) -> None:
    """Have these tasks run anew in every run."""
    for task in tasks:
        tasks_of(spec)[task].pop("cachingOptions", None)


def add_displays(spec: Json, displays: Mapping[str, Sequence[Display]]) -> None:
    """Add the outputs that Kubeflow's pages draw, and tell the pod's entrypoint how to fill them.

    Args:
        spec: The compiled pipeline.
        displays: Task name -> its displays; tasks the pipeline does not have are left out.
    """
    for task in displays.keys() & tasks_of(spec).keys():
        outputs = component_of(spec, task)["outputDefinitions"]["artifacts"]
        for display in displays[task]:
            outputs[display.name] = {
                "artifactType": {"schemaTitle": display.schema_title, "schemaVersion": DISPLAY_SCHEMA_VERSION}
            }
            container_of(spec, task)["args"] += [DISPLAY_FLAG, display.as_argument()]


def _rewrite_inputs_spec(spec: Json, task: str) -> None:
    arguments = container_of(spec, task)["args"]
    position = arguments.index(INPUTS_SPEC_FLAG) + 1
    arguments[position] = json.dumps(component_of(spec, task)["inputDefinitions"], sort_keys=True, separators=COMPACT)


def _resources(node: PodSettings) -> Json:
    # Backends before 2.4 read only the numbers, later ones prefer the quantities; kfp writes both too.
    resources: Json = {}
    for bound in ("Limit", "Request"):
        resources |= {f"cpu{bound}": node.cpu, f"resourceCpu{bound}": f"{node.cpu:g}"}
        resources |= {f"memory{bound}": node.memory_gb, f"resourceMemory{bound}": f"{node.memory_gb:g}G"}
    if node.gpus:
        kind, count = node.gpu_type, str(node.gpus)
        resources["accelerator"] = {"type": kind, "count": count, "resourceType": kind, "resourceCount": count}
    return resources
