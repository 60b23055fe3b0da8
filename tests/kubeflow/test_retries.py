"""Argo's own controller tries again what the simulator says it does; workflows have the form that 2.14.3 gives them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import pytest

from pipeline.runners.kubeflow.pipeline_file import TaskSpec
from pipeline.runners.kubeflow.retries_seen import _cluster, _strategy
from pipeline.runners.kubeflow.simulator.retries import Cluster, Ending
from tests.kubeflow.backend import NAMESPACE, WORLDS, Backend
from tests.kubeflow.processes import wait_until

pytestmark = [pytest.mark.kubeflow, pytest.mark.slow, pytest.mark.timeout(2400)]
RETRIES: Final = 1  # a pod that is always lost is tried 27 times as often with the defaults of 2.17
MONTH: Final = "2592000"
ENDINGS: Final = {"fails": Ending.FAILURE, "evicted": Ending.FAILURE, "deleted": Ending.ERROR}


def workflow(name: str, command: str, retries: int | None, backoff: dict[str, str] | None = None) -> dict[str, Any]:
    """A task as Kubeflow Pipelines 2.14.3 writes it (argocompiler/container.go, argo.go): in three DAGs, numbers of
    retries are parameters."""
    wait = {"duration": "1", "factor": "1", "max-duration": MONTH, **(backoff or {})}
    values = {"max-count": str(retries), **{f"backoff-{key}": value for key, value in wait.items()}}
    given = {key: f"{{{{inputs.parameters.retry-{key}}}}}" for key in values}
    backoff = {"duration": given["backoff-duration"], "factor": given["backoff-factor"]}
    strategy = {"limit": given["max-count"], "backoff": {**backoff, "maxDuration": given["backoff-max-duration"]}}
    task: dict[str, Any] = {"name": "impl", "container": {"image": "belka", "command": ["sh", "-c", command]}}
    call: dict[str, Any] = {"name": "executor", "template": "impl"}
    dags = ("entrypoint", "root", "executor")
    if retries is not None:
        task |= {"inputs": {"parameters": [{"name": f"retry-{key}"} for key in values]}, "retryStrategy": strategy}
        parameters = [{"name": f"retry-{key}", "value": value} for key, value in values.items()]
        call["arguments"] = {"parameters": parameters}
    spec = {
        "entrypoint": "entrypoint",
        "serviceAccountName": "pipeline-runner",
        "podMetadata": {"labels": {"case": name}},
        "templates": [*(_dag(*pair) for pair in pairwise(dags)), {"name": dags[-1], "dag": {"tasks": [call]}}, task],
    }
    head = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    return {**head, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def _dag(name: str, inner: str) -> dict[str, Any]:
    return {"name": name, "dag": {"tasks": [{"name": inner, "template": inner}]}}


def ended(backend: Backend, names: list[str]) -> dict[str, Any]:
    """The status of workflows that are over, by name; None where one of them is not."""
    found = {each["metadata"]["name"]: each.get("status", {}) for each in backend.get("workflows")}
    over = {name: found[name] for name in names if found[name].get("phase") in {"Succeeded", "Failed", "Error"}}
    return over if len(over) == len(names) else {}


def attempts(status: dict[str, Any]) -> int:
    return sum(node["type"] == "Pod" for node in status["nodes"].values())


def lose_pods(backend: Backend) -> None:
    """Delete, or evict, every pod whose workflow is named after that.

    Only pods that the controller has seen running: one that goes before is made anew, and no attempt is counted.
    """
    status = [workflow.get("status", {}).get("nodes", {}) for workflow in backend.get("workflows")]
    running = {node["id"] for nodes in status for node in nodes.values() if node["phase"] == "Running"}
    for pod in backend.get("pods", "--field-selector=status.phase=Running", "--selector=case"):
        name, case = pod["metadata"]["name"], pod["metadata"]["labels"]["case"]
        if pod["metadata"]["annotations"]["workflows.argoproj.io/node-id"] not in running:
            continue
        if case.startswith("deleted") and "deletionTimestamp" not in pod["metadata"]:
            backend.cluster.kubectl(
                "delete", "pod", name, f"--namespace={NAMESPACE}", "--wait=false", "--grace-period=2"
            )
        elif case.startswith("evicted"):
            backend.nodes.worker(name).evicted.set()


@pytest.fixture(scope="module", params=list(WORLDS), ids=str)
def world(request: pytest.FixtureRequest, kubeflow: Backend) -> Iterator[Cluster]:
    """A controller with the configuration of one kind of cluster."""
    cluster: Cluster = request.param
    with kubeflow.controller(WORLDS[cluster]):
        yield cluster


def run(backend: Backend, workflows: list[dict[str, Any]], seconds: float = 1800) -> dict[str, Any]:
    """Run workflows to their ends; their status by name."""
    backend.cluster.create(*workflows)
    names = [each["metadata"]["name"] for each in workflows]
    status: dict[str, Any] = {}

    def over() -> bool:
        lose_pods(backend)
        status.update(ended(backend, names))
        return bool(status)

    wait_until(over, f"{', '.join(names)} are over", seconds, 0.5)
    return status


def test_the_controller_tries_again_what_the_simulator_says(world: Cluster, kubeflow: Backend) -> None:
    stem = str(world).replace(".", "-").lower()
    cases = {f"{how}-{retries or 0}-{stem}": (how, retries) for how in ENDINGS for retries in (RETRIES, None)}
    # Where a container ends at once when its pod is deleted, the controller may see that first: once in 83 pods here.
    command = {"fails": "exit 2", "evicted": "sleep 600", "deleted": "trap '' TERM; sleep 600"}
    made = [workflow(name, command[how], retries) for name, (how, retries) in cases.items()]
    seen = {name: attempts(status) for name, status in run(kubeflow, made).items()}
    wired = {RETRIES: {"retryPolicy": {"maxRetryCount": RETRIES}}, None: {}}
    expected = {
        name: world.attempts(TaskSpec(name, wired[retries], {}, {}, {}), ending)
        for name, (how, retries) in cases.items()
        for ending in (ENDINGS[how],)
    }
    assert seen == expected
    assert _cluster(_strategy(WORLDS[world])) is world


def test_waits_are_counted_as_the_settings_say(kubeflow: Backend) -> None:
    waits = {
        "month": ("exit 2", {}),
        "seconds": ("sleep 4; exit 2", {"max-duration": "3"}),
        "left-out": ("exit 2", {"max-duration": "0"}),
        "part": ("exit 2", {"factor": "1.5"}),
    }
    with kubeflow.controller(WORLDS[Cluster.PATCHED]):
        ended = run(kubeflow, [workflow(f"waits-{name}", how, RETRIES, wait) for name, (how, wait) in waits.items()])
    seen = {name.removeprefix("waits-"): attempts(status) for name, status in ended.items()}
    assert seen == {"month": 1 + RETRIES, "seconds": 1, "left-out": 1, "part": 1}
    assert "1.5" in str(ended["waits-part"])
