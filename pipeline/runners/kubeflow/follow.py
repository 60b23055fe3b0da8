"""Follow a run on the cluster to its end, and say which of its tasks failed and why."""

import re
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any, Final

from belka.errors import BelkaError
from belka.interrupts import stopped_error
from pipeline.runners.kubeflow.connection import CONNECTION_ERRORS, explain_connection, explain_refusal, told_id
from pipeline.runners.kubeflow.kubernetes_api import RUN_LABEL, KubernetesApi, Pod
from pipeline.runners.kubeflow.settings import KubeflowSettings
from pipeline.runners.kubeflow.submit import SubmittedRun

POLL_SECONDS: Final = 10.0
# Looks at a run that may fail in a row while a port-forward is started anew or the API server moves: a minute.
LOST_LOOKS: Final = 6
FINAL_STATES: Final = frozenset({"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"})
FAILED: Final = "FAILED"
# Argo's phases that Kubeflow has other words for.
_PHASES: Final = {"ERROR": FAILED, "OMITTED": "SKIPPED"}
_ATTEMPT: Final = re.compile(r"\((\d+)\)$")
_DRIVER: Final = "-driver"


def wait(
    client: Any,
    run: SubmittedRun,
    settings: KubeflowSettings,
    observe: Callable[[str, str], None],
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Follow a run to its end.

    Where this machine may read the cluster, tasks are read from the workflow, which is whole; otherwise from
    Kubeflow's API, whose tasks stop changing once a workflow exceeds 1 MiB (the state of the run goes on).

    Args:
        client: From `connect`.
        run: The run.
        settings: The section `kubeflow` of the configuration.
        observe: Called with a task's name and state whenever that changes; the state of a task whose pod cannot start
            is `WAITS:` with the reason.
        poll_seconds: Time between two looks.

    Raises:
        InputError: The server refuses, or has not answered for `LOST_LOOKS` looks; the run itself goes on.
        InterruptedRunError, TerminatedError: The command was stopped; the run itself goes on.
        BelkaError: The run did not succeed; the message names the tasks, how to see their logs and how to retry.
    """
    try:
        _follow(client, run, settings, observe, poll_seconds)
    except KeyboardInterrupt as stop:
        # Not what other commands say: the same command again would start a second run beside this one.
        action = f"The run goes on: {run.url} (watch or terminate it there). The same command would start another run."
        raise stopped_error(stop, action=action) from stop


def _follow(
    client: Any,
    run: SubmittedRun,
    settings: KubeflowSettings,
    observe: Callable[[str, str], None],
    poll_seconds: float,
) -> None:
    seen: dict[str, str] = {}
    kubernetes = KubernetesApi.find()
    while True:
        current = _look(client, run, settings, poll_seconds)
        nodes = kubernetes.workflow_nodes(settings.namespace, run.run_id) if kubernetes else None
        if nodes is None:
            listed = getattr(current.run_details, "task_details", None) or ()
            nodes = [(task.display_name or "", task.state or "") for task in listed]
        states = task_states(nodes, run.tasks)
        waiting = kubernetes.waiting_pods(settings.namespace, run.run_id) if kubernetes else []
        reasons = {task: f"WAITS: {reason}" for node, reason in waiting if (task := task_of(node, run.tasks))}
        for task, state in {**states, **reasons}.items():
            if seen.get(task) != state:
                seen[task] = state
                observe(task, state)
        if current.state in FINAL_STATES:
            break
        time.sleep(poll_seconds)
    if current.state != "SUCCEEDED":
        pods = kubernetes.failed_pods(settings.namespace, run.run_id) if kubernetes else None
        raise _run_failed(run, settings, current.state, [task for task in states if states[task] == FAILED], pods)


def task_states(nodes: Iterable[tuple[str, str]], tasks: Collection[str]) -> dict[str, str]:
    """The state of each task, from the nodes that the workflow engine makes of a pipeline.

    Source: seen on 2.17.0. The engine adds a driver before each task and an executor within it, and where a task may
    be tried again, a node for each attempt, whose name ends with its number: `parquet-merge(0)`. The node without a
    number, where there is one, has the state of all attempts together.

    Args:
        nodes: Display name and state of each node.
        tasks: Names of the tasks, as the pipeline has them.

    Returns:
        Task -> state, of the tasks that have one, in the order of `tasks`.
    """
    latest: dict[str, tuple[float, str]] = {}
    for shown, state in nodes:
        name, attempt = _ATTEMPT.sub("", shown), _ATTEMPT.search(shown)
        order = float(attempt[1]) if attempt else float("inf")
        if state and order >= latest.get(name, (-1.0, ""))[0]:
            latest[name] = order, _PHASES.get(state.upper(), state.upper())
    drivers = {task: latest.get(f"{task}{_DRIVER}", (0.0, ""))[1] for task in tasks}
    return {
        task: FAILED if drivers[task] == FAILED else latest[task][1]
        for task in tasks
        if task in latest or drivers[task] == FAILED
    }


def task_of(node: str, tasks: Collection[str]) -> str | None:
    """The task that a pod belongs to.

    Args:
        node: Name of its node: names of the nodes above it, joined by points (source: see `NODE_ANNOTATION`).
        tasks: Names of the tasks.
    """
    for part in reversed(node.split(".")):
        name = _ATTEMPT.sub("", part)
        for candidate in (name, name.removesuffix(_DRIVER)):
            if candidate in tasks:
                return candidate
    return None


def _look(client: Any, run: SubmittedRun, settings: KubeflowSettings, poll_seconds: float) -> Any:
    for _ in range(LOST_LOOKS):
        with suppress(*CONNECTION_ERRORS), explain_refusal(settings):
            found = client.get_run(run.run_id)
            if found.run_id:  # a gateway's page has none
                return found
        time.sleep(poll_seconds)
    with explain_connection(settings, f" The run goes on: {run.url}"):
        found = client.get_run(run.run_id)
    told_id(found.run_id, settings)
    return found


def _run_failed(
    run: SubmittedRun, settings: KubeflowSettings, state: str, failed: list[str], pods: list[Pod] | None
) -> BelkaError:
    last: dict[str, Pod] = {}
    for pod in pods or ():
        task = task_of(pod.node, run.tasks)
        if task in failed or not failed:
            last[task or pod.name] = pod  # of several attempts the last one
    reasons = [f"{task}: {_reason(pod)}" for task, pod in last.items()]
    reasons += [f"{task}: no pod of it is left to say why" for task in failed if task not in last]
    find = f"kubectl get pods -n {settings.namespace} -l {RUN_LABEL}={run.run_id} --field-selector=status.phase=Failed"
    if last:
        logs = "; ".join(f"kubectl logs -n {settings.namespace} {pod.name} -c main" for pod in last.values())
    elif pods is None:
        reasons = [*failed, "this machine cannot read the cluster's pods, which know why"]
        logs = f"find the pods: {find} -o yaml (terminated.message has the reason), then kubectl logs"
    else:
        logs = f"{find} shows none, so {run.url} has what is known"
    return BelkaError(
        f"The run ended as {state}.",
        received="; ".join(reasons) or f"no failed task is reported; see {run.url}",
        action=f"Read the log ({logs}), mend the cause, then press Retry on {run.url} or submit again: "
        "finished tasks come from the cache.",
    )


def _reason(pod: Pod) -> str:
    ending = "the pod itself went" if pod.exit_code is None else f"exit code {pod.exit_code}"
    return f"{pod.message} ({ending})" if pod.message else ending
