"""Workers that train together: what the manifests tell each pod agrees with what the platform makes of the pods."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.runners.worker_pods import WorkerPod

OVERLAYS = Path(__file__).parents[3] / "k8s" / "overlays"


def _documents(overlay: str) -> dict[str, Any]:
    files = [
        path for path in (OVERLAYS / overlay).glob("*.yaml") if path.name not in {"kustomization.yaml", "names.yaml"}
    ]
    return {d["kind"]: d for path in files for d in yaml.safe_load_all(path.read_text(encoding="utf-8"))}


def _pod(template: dict[str, Any], index: int) -> WorkerPod:
    (container,) = template["spec"]["containers"]
    told = {variable["name"]: variable["value"] for variable in container["env"]}
    return WorkerPod(index, int(told["WORKERS"]), told["WORKER_ADDRESS"])


def test_the_pods_of_an_indexed_job_have_the_names_that_they_are_told() -> None:
    documents = _documents("train-multi-worker")
    job, service = documents["Job"], documents["Service"]
    pod = _pod(job["spec"]["template"], 1)
    assert pod.n_workers == job["spec"]["completions"] == job["spec"]["parallelism"]
    # An indexed Job calls the host of a pod JOB-INDEX; its subdomain is the headless service's name.
    assert pod.addresses == [f"{job['metadata']['name']}-{i}.{service['metadata']['name']}:2222" for i in range(2)]
    assert job["spec"]["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"], "they find each other before they are ready"
    assert service["spec"]["selector"].items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_the_pods_of_a_train_job_have_the_names_that_they_are_told() -> None:
    documents = _documents("trainer")
    runtime, train_job = documents["TrainingRuntime"]["spec"], documents["TrainJob"]
    (job,) = runtime["template"]["spec"]["replicatedJobs"]
    pod = _pod(job["template"]["spec"]["template"], 1)
    assert pod.n_workers == train_job["spec"]["trainer"]["numNodes"] == runtime["mlPolicy"]["numNodes"]
    # kubeflow/trainer v2.1.0, pkg/runtime/framework/plugins/jobset/jobset.go, line 227; the subdomain is the TrainJob's
    # name where its runtime names none.
    name = train_job["metadata"]["name"]
    assert pod.addresses == [f"{name}-{job['name']}-0-{i}.{name}:2222" for i in range(2)]
    assert "network" not in runtime["template"]["spec"]
    assert train_job["spec"]["runtimeRef"]["name"] == documents["TrainingRuntime"]["metadata"]["name"]
    # What the plain runtime looks for, in the same version: constants.LabelTrainJobAncestor and constants.Node.
    assert job["template"]["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    assert [c["name"] for c in job["template"]["spec"]["template"]["spec"]["containers"]] == ["node"]


@pytest.mark.parametrize("overlay", ["train-multi-worker", "trainer"])
def test_the_workers_reach_each_other_and_nothing_else(overlay: str) -> None:
    policy = _documents(overlay)["NetworkPolicy"]["spec"]
    (rule,) = policy["ingress"]
    assert rule["from"][0]["podSelector"] == policy["podSelector"]
    (port,) = rule["ports"]
    assert port["port"] <= 2222 <= port["endPort"]


def test_both_ways_run_the_same_container() -> None:
    (job,) = _documents("trainer")["TrainingRuntime"]["spec"]["template"]["spec"]["replicatedJobs"]
    pods = [
        _documents("train-multi-worker")["Job"]["spec"]["template"]["spec"],
        job["template"]["spec"]["template"]["spec"],
    ]
    for pod in pods:
        pod.pop("subdomain", None)
        (container,) = pod["containers"]
        del container["name"]
        container["env"] = [variable["name"] for variable in container["env"]]
    assert pods[0] == pods[1]
