"""How large the status of a run's workflow becomes: which texts of the compiled file it keeps, how often.

Source: backend/src/v2/compiler/argocompiler/container.go and backend/src/v2/driver/driver.go (initPodSpecPatch) of
kubeflow/pipelines 2.14.3: a driver's node keeps component, task, container and platform of its task, and the patch of
the pod that it makes; the nodes of the task and of its executor keep that patch. With a retry strategy in every
template, as 2.17.0 has it, each of them is a node over its attempts (seen there: 102 nodes, past 1 MiB).
"""

import json
from collections import Counter
from typing import Any

LIMIT = 1024 * 1024  # argo-workflows, workflow/packer/packer.go
_ID = "0b7a2cf8-9c2e-4f0c-9c3c-2f4a1ef0a111"
_STORE = {
    "Provider": "minio",
    "Params": {
        "endpoint": "minio-service.kubeflow:9000",
        "region": "minio",
        "disableSSL": "true",
        "fromEnv": "false",
        "secretName": "mlpipeline-minio-artifact",
        "accessKeyKey": "accesskey",
        "secretKeyKey": "secretkey",
    },
}
_NODE_BYTES = 900  # id, name, template, times, children, of each node


def status_bytes(spec: dict[str, Any], platform: dict[str, Any], attempts: int) -> Counter[str]:
    """Bytes of the status of a run on 2.17 by what they are; `total` is their sum.

    Args:
        spec: The pipeline.
        platform: The platform document.
        attempts: Attempts of each executor.
    """
    found: Counter[str] = Counter()
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name, task in spec["root"]["dag"]["tasks"].items():
        component = spec["components"][task["componentRef"]["name"]]
        label = component["executorLabel"]
        container = spec["deploymentSpec"]["executors"][label]["container"]
        patch = _patch(name, task, component, container)
        patches = 2 + 2 + 1 + attempts  # driver, task, executor; each below the node of its attempts
        found["drivers' inputs"] += 2 * sum(
            _kept(_json(part)) for part in (component, task, container, executors[label])
        )
        found["patches"] += patches * _kept(_json(patch))
        found["nodes"] += patches * _NODE_BYTES
    found["total"] = found.total()
    return found


def _patch(name: str, task: dict[str, Any], component: dict[str, Any], container: dict[str, Any]) -> dict[str, Any]:
    wired = task.get("inputs", {})
    inputs = {
        key: _artifact(name, key, {"instanceSchema": ""}, {"store_session_info": _json(_STORE), "display_name": key})
        for key in wired.get("artifacts", {})
    }
    outputs = {
        key: _artifact(name, key, defined["artifactType"], {})
        for key, defined in component.get("outputDefinitions", {}).get("artifacts", {}).items()
    }
    values = {
        key: source.get("runtimeValue", {}).get("constant", "") for key, source in wired.get("parameters", {}).items()
    }
    message = {"inputs": {"artifacts": inputs, "parameterValues": values}, "outputs": {"artifacts": outputs}}
    launcher = [
        "/kfp-launcher/launch",
        "--run_id",
        _ID,
        "--executor_input",
        _json(message),
        "--component_spec",
        _json(component),
    ]
    words = [*container.get("command", ()), *container.get("args", ())]
    main = {"name": "main", "image": container["image"], "command": launcher, "args": words}
    return {"containers": [{**main, "env": container.get("env", []), "resources": container.get("resources", {})}]}


def _artifact(task: str, key: str, kind: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
    uri = f"minio://mlpipeline/v2/artifacts/belka/{_ID}/{task}/{_ID}/{key}"
    return {"artifacts": [{"name": "123", "type": kind, "uri": uri, "metadata": metadata}]}


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _kept(text: str) -> int:
    return len(json.dumps(text))
