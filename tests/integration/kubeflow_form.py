"""The form of the compiled pipeline: all that a backend reads, without the values that settings and sources decide.

Run as a script, it writes the committed form anew: `python tests/integration/kubeflow_form.py`.
"""

from pathlib import Path
from typing import Any

import yaml

FORM = Path(__file__).parent / "golden" / "kubeflow_form.yaml"
CONFIG = Path(__file__).parents[2] / "configs" / "default.yaml"
IMAGE = "registry.example/belka@sha256:" + "0" * 64


def compiled_form() -> dict[str, Any]:
    """The form of the default configuration."""
    from pipeline.config.files import load_config
    from pipeline.runners.kubeflow.compile import compile_config

    compiled = compile_config(load_config(CONFIG, [f"kubeflow.image={IMAGE}", "data.raw_digest=x"]))
    spec, executors = compiled.spec, compiled.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    declared = spec["root"]["inputDefinitions"]["parameters"]
    return {
        "schema": spec["schemaVersion"],
        "parameters": {name: sorted(definition) for name, definition in declared.items()},
        "tasks": {name: _task(spec, executors, task) for name, task in spec["root"]["dag"]["tasks"].items()},
    }


def _task(spec: dict[str, Any], executors: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    component = spec["components"][task["componentRef"]["name"]]
    container = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
    inputs = component.get("inputDefinitions", {})
    wired = task.get("inputs", {})
    return {
        "keys": sorted(task),
        "after": task.get("dependentTasks", []),
        "artifacts": {
            name: f"{_title(inputs['artifacts'][name])} of {_place(source['taskOutputArtifact'])}"
            for name, source in wired.get("artifacts", {}).items()
        },
        "parameters": {
            name: f"{inputs['parameters'][name]['parameterType']} as {', '.join(source)}"
            for name, source in wired.get("parameters", {}).items()
        },
        "outputs": {name: _title(made) for name, made in component["outputDefinitions"]["artifacts"].items()},
        "command": [*container["command"], *(word.partition("=")[0] for word in container["args"] if word[:2] == "--")],
        "container": sorted(container),
        "env": [variable["name"] for variable in container["env"]],
        "retry": sorted(task.get("retryPolicy", {})),
        "platform": {name: _keys(value) for name, value in executors[component["executorLabel"]].items()},
    }


def _title(artifact: dict[str, Any]) -> str:
    kind = artifact["artifactType"]
    text = kind.get("instanceSchema", "").partition("\n")[0]
    return str(kind.get("schemaTitle") or text)


def _place(source: dict[str, Any]) -> str:
    return f"{source['producerTask']}.{source['outputArtifactKey']}"


def _keys(value: Any) -> Any:
    if isinstance(value, list):
        return [_keys(item) for item in value]
    return sorted(value) if isinstance(value, dict) else type(value).__name__


if __name__ == "__main__":
    FORM.write_text(yaml.safe_dump(compiled_form(), width=120, default_flow_style=None), encoding="utf-8")
