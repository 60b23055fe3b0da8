"""`belka submit --wait` against a real HTTP server. What the servers answer is that of a run on 2.17.0."""

import base64
import gzip
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from belka.errors import BelkaError, InputError, InterruptedRunError
from belka.interrupts import stoppable
from pipeline.cli import kubeflow
from pipeline.runners.kubeflow.follow import task_of, task_states, wait
from pipeline.runners.kubeflow.settings import KubeflowSettings
from pipeline.runners.kubeflow.submit import SubmittedRun, connect

if TYPE_CHECKING:
    from tests.unit.pipeline.runners.kubeflow.conftest import Api

RUN = SubmittedRun("r1", "u", ("make", "train"))
PODS = "/api/v1/namespaces/team/pods"
WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/team/workflows"
# Where every template has a retry strategy, each node stands over its attempts.
RUNNING = [
    ("root", "RUNNING"), ("root(0)", "RUNNING"), ("make-driver", "SUCCEEDED"), ("make-driver(0)", "SUCCEEDED"),
    ("make", "RUNNING"), ("make(0)", "RUNNING"), ("executor", "RUNNING"), ("executor(0)", "FAILED"),
    ("executor(1)", "RUNNING"),
]  # fmt: skip
FAILED = [(name, "FAILED") for name, _ in RUNNING if "driver" not in name]


def _settings(api: "Api") -> KubeflowSettings:
    return KubeflowSettings.model_validate({"endpoint": api.url, "namespace": "team"})


def _pod(name: str, node: str, started: str, **terminated: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": started,
            "annotations": {"workflows.argoproj.io/node-name": node},
        },
        "status": {
            "phase": "Failed",
            "containerStatuses": [
                {"name": "wait", "state": {"terminated": {"exitCode": 0}}},
                {"name": "main", "state": {"terminated": terminated}},
            ],
        },
    }


def _follow(api: "Api", package: Path) -> Result:
    app = typer.Typer()
    app.command("submit")(kubeflow.submit)
    options = ["--endpoint", api.url, "--namespace", "team", "--wait"]
    return CliRunner().invoke(app, [str(package), *options])


def test_names_are_those_of_the_pipeline_and_each_change_is_shown_once(api: "Api") -> None:
    api.states = ["RUNNING", "RUNNING", "SUCCEEDED"]
    api.details = [RUNNING, RUNNING, [(name, "SUCCEEDED") for name, _ in RUNNING]]
    seen: list[tuple[str, str]] = []
    wait(connect(_settings(api)), RUN, _settings(api), lambda *change: seen.append(change), poll_seconds=0.0)
    assert seen == [("make", "RUNNING"), ("make", "SUCCEEDED")]


def test_a_failed_run_names_real_pods_and_what_they_left_as_the_reason(api: "Api", package: Path) -> None:
    api.states, api.details = ["FAILED"], [FAILED]
    node = "belka-x.root.make.executor"
    pods = [
        _pod("belka-x-system-container-impl-22", f"{node}(1)", "2026-02-01T10:09:00Z", exitCode=1, message="no disk"),
        _pod("belka-x-system-container-impl-11", f"{node}(0)", "2026-02-01T10:00:00Z", exitCode=75, message="killed"),
    ]
    api.kubernetes[PODS] = {"items": pods}
    ended = _follow(api, package)
    assert "executor" not in ended.output
    assert "(0)" not in ended.output
    error = str(ended.exception)
    assert "make: no disk (exit code 1)" in error
    assert "kubectl logs -n team belka-x-system-container-impl-22 -c main" in error
    assert "system-container-impl-11" not in error  # an attempt that was followed by another one
    assert f"press Retry on {api.url}/#/runs/details/r1 or submit again" in error
    (query,) = [query for query in api.queries if query.startswith(PODS) and query.endswith("Failed")]
    assert query.endswith("?labelSelector=pipeline%2Frunid%3Dr1&fieldSelector=status.phase%3DFailed")
    assert api.tokens[-1] == "Bearer kubectl-token"


def test_what_a_pod_waits_for_is_told_once(api: "Api") -> None:
    unschedulable = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: 3 Insufficient nvidia.com/gpu."}
    pulling = {"reason": "ImagePullBackOff", "message": "not found"}
    pods = [
        {"phase": "Pending", "conditions": [unschedulable]},
        {"phase": "Pending", "containerStatuses": [{"name": "main", "state": {"waiting": pulling}}]},
        {
            "phase": "Pending",
            "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}],
        },
    ]
    names = ["belka-x.root.make.executor(0)", "belka-x.root.train.executor", "belka-x.root.train-driver"]
    annotation = "workflows.argoproj.io/node-name"
    api.kubernetes[PODS] = {
        "items": [
            {"metadata": {"name": "p", "annotations": {annotation: name}}, "status": status}
            for name, status in zip(names, pods, strict=True)
        ]
    }
    api.states, api.details = ["RUNNING", "RUNNING", "SUCCEEDED"], [[]]
    seen: list[tuple[str, str]] = []
    wait(connect(_settings(api)), RUN, _settings(api), lambda *change: seen.append(change), poll_seconds=0.0)
    assert seen == [
        ("make", "WAITS: 0/3 nodes: 3 Insufficient nvidia.com/gpu."),
        ("train", "WAITS: ImagePullBackOff: not found"),
    ]


def test_where_the_pods_cannot_be_read_the_command_that_finds_them_is_named(api: "Api") -> None:
    api.states, api.details = ["FAILED"], [FAILED]
    with pytest.raises(BelkaError) as caught:
        wait(connect(_settings(api)), RUN, _settings(api), lambda *_: None, poll_seconds=0.0)
    assert "make; this machine cannot read the cluster's pods" in caught.value.received
    find = "kubectl get pods -n team -l pipeline/runid=r1 --field-selector=status.phase=Failed"
    assert find in caught.value.action


def test_tasks_are_read_from_the_workflow_where_it_is_compressed(api: "Api") -> None:
    nodes = {
        str(i): {"displayName": name, "phase": "Succeeded"} for i, (name, _) in enumerate([*RUNNING, ("train", "")])
    }
    packed = base64.b64encode(gzip.compress(json.dumps(nodes).encode())).decode()
    api.kubernetes[WORKFLOWS] = {"items": [{"status": {"compressedNodes": packed}}]}
    api.details = [RUNNING]  # where Kubeflow's API stopped
    seen: list[tuple[str, str]] = []
    wait(connect(_settings(api)), RUN, _settings(api), lambda *change: seen.append(change), poll_seconds=0.0)
    assert seen == [("make", "SUCCEEDED"), ("train", "SUCCEEDED")]


def test_a_driver_that_fails_is_its_task_s_failure() -> None:
    nodes = [("make-driver", "Error"), ("make", "Omitted"), ("train", "Skipped"), ("train-driver(0)", "Succeeded")]
    assert task_states(nodes, RUN.tasks) == {"make": "FAILED", "train": "SKIPPED"}


def test_of_attempts_without_a_node_above_them_the_last_one_counts() -> None:
    assert task_states([("make(1)", "RUNNING"), ("make(0)", "FAILED")], RUN.tasks) == {"make": "RUNNING"}


@pytest.mark.parametrize(
    ("node", "task"),
    [
        ("belka-x(0).root(0).make(0).executor(1)", "make"),
        ("belka-x.root.train-driver", "train"),
        ("belka-x.root-driver", None),
        ("", None),
    ],
)
def test_the_name_of_a_node_leads_to_its_task(node: str, task: str | None) -> None:
    assert task_of(node, RUN.tasks) == task


def test_a_connection_that_is_lost_for_a_while_does_not_end_the_waiting(api: "Api") -> None:
    settings, client = _settings(api), connect(_settings(api))
    api.drop = 10
    seen: list[tuple[str, str]] = []
    wait(client, RUN, settings, lambda *change: seen.append(change), poll_seconds=0.0)
    assert api.drop == 0
    assert seen[-1] == ("make", "SUCCEEDED")
    api.drop = 1000
    with pytest.raises(InputError, match=r"Nothing answers[\s\S]*The run goes on: u"):
        wait(client, RUN, settings, lambda *_: None, poll_seconds=0.0)


def test_a_command_that_is_stopped_says_that_the_run_goes_on(api: "Api") -> None:
    # As commands do: RDKit's own handler, if an earlier test searched in this process, would end it.
    with stoppable(), pytest.raises(InterruptedRunError, match=r"The run goes on: u \(.*would start another run"):
        wait(connect(_settings(api)), RUN, _settings(api), lambda *_: os.kill(os.getpid(), signal.SIGINT), 0.0)
