"""A real API server takes every manifest, unknown fields refused, and admits their pods (`make test-kubeflow`)."""

import copy
import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from pipeline.runners.kubeflow.settings import KubeflowSettings
from tests.kubeflow.control_plane import REPOSITORY, ControlPlane, module_folder
from tests.kubeflow.processes import wait_until

pytestmark = [pytest.mark.kubeflow, pytest.mark.slow]
K8S = REPOSITORY / "k8s"
FOLDERS = [K8S / "base", *sorted(path for path in (K8S / "overlays").iterdir())]
TRAINER = "github.com/kubeflow/trainer/v2"
STRICT = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
TASK = {"cpu": "2", "memory": "8G"}
# KServe's types are in no Go module that could be had: tests/integration asks its Python client about them.
SERVICE = "InferenceService"
RESTRICTED, BASELINE = "belka", "belka-baseline"


@pytest.fixture(scope="module")
def namespaces(cluster: ControlPlane) -> ControlPlane:
    """The namespace and the accounts of the manifests, and Kubeflow Trainer's own types."""
    types = cluster.kubectl("apply", "--server-side", "-k", module_folder("schemas", TRAINER) / "manifests/base/crds")
    assert types.returncode == 0, types.stderr
    needed = [d for d in cluster.render("overlays/kubeflow") if d["kind"] == "ServiceAccount"]
    (namespace,) = (d for d in cluster.render("base") if d["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    (baseline,) = (d for d in cluster.render("overlays/kubeflow") if d["kind"] == "Namespace")
    baseline["metadata"]["name"] = BASELINE
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    accounts = [{**account, "metadata": {"name": "default", "namespace": name}} for name in (RESTRICTED, BASELINE)]
    cluster.create(namespace, baseline, *needed, *accounts)
    wait_until(lambda: "trainjobs" in cluster.kubectl("api-resources").stdout, "TrainJobs are served")
    return cluster


def templates(documents: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and template of each pod that a cluster would make of the documents."""
    for document in documents:
        if document["kind"] == SERVICE:
            for name, component in document["spec"].items():
                pod_fields = {
                    key: component[key] for key in component.keys() - {"labels", "minReplicas", "maxReplicas"}
                }
                yield name, {"metadata": {"labels": component["labels"]}, "spec": pod_fields}
        jobs = [document] if document["kind"] in {"Job", "Deployment"} else []
        if document["kind"] == "TrainingRuntime":
            jobs = [job["template"] for job in document["spec"]["template"]["spec"]["replicatedJobs"]]
        yield from ((document["metadata"]["name"], job["spec"]["template"]) for job in jobs)


def send(cluster: ControlPlane, *documents: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    return cluster.kubectl(*STRICT, given=yaml.safe_dump_all(documents))


def pod(template: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    metadata = {"name": "tried", "namespace": namespace, "labels": template.get("metadata", {}).get("labels", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_the_server_takes_the_overlay_and_admits_its_pods(folder: Any, namespaces: ControlPlane) -> None:
    documents = namespaces.render(str(folder.relative_to(K8S)))
    known = [document for document in documents if document["kind"] != SERVICE]
    taken = send(namespaces, *known)
    assert taken.returncode == 0, taken.stderr
    assert len(taken.stdout.splitlines()) == len(known)
    for name, template in templates(documents):
        admitted = send(namespaces, pod(template, RESTRICTED))
        assert admitted.returncode == 0, f"{name}: {admitted.stderr}"
        open_root = copy.deepcopy(template)
        del open_root["spec"]["securityContext"]
        refused = send(namespaces, pod(open_root, RESTRICTED))
        assert 'violates PodSecurity "restricted' in refused.stderr


@pytest.mark.parametrize(
    ("overlay", "kind", "path"),
    [
        ("train-gpu", "Job", ("spec", "activeDeadlineSeconds")),
        ("train-multi-worker", "Job", ("spec", "template", "spec", "automountServiceAccountToken")),
        ("serving", "Deployment", ("spec", "template", "spec", "containers", 0, "readinessProbe")),
        ("trainer", "TrainJob", ("spec", "runtimeRef")),
        ("trainer", "TrainingRuntime", ("spec", "template", "spec", "replicatedJobs")),
    ],
)
def test_a_misspelt_field_is_refused(
    overlay: str, kind: str, path: tuple[str | int, ...], namespaces: ControlPlane
) -> None:
    documents = [d for d in namespaces.render(f"overlays/{overlay}") if d["kind"] == kind]
    assert send(namespaces, *documents).returncode == 0
    place: Any = documents[0]
    for part in path[:-1]:
        place = place[part]
    name = path[-1]
    place[f"{name}X"] = copy.deepcopy(place[name])
    refused = send(namespaces, *documents)
    assert refused.returncode != 0
    assert f"{name}X" in refused.stderr
    assert any(words in refused.stderr for words in ("unknown field", "field not declared in schema"))


def test_the_documented_pod_that_copies_data_is_taken(namespaces: ControlPlane) -> None:
    page = (REPOSITORY / "docs" / "kubeflow.md").read_text(encoding="utf-8")
    blocks = [block.split("\nEOF")[0] for block in page.split("<<'EOF'\n")[1:]]
    (text,) = (block for block in blocks if "kind: Pod\n" in block)
    copied = send(namespaces, {**yaml.safe_load(text), "metadata": {"name": "copy", "namespace": RESTRICTED}})
    assert copied.returncode == 0, copied.stderr


def test_pods_of_pipelines_need_the_namespace_that_the_overlay_makes(namespaces: ControlPlane) -> None:
    settings = KubeflowSettings()
    security = {"runAsUser": settings.run_as_user, "runAsGroup": settings.run_as_group, "runAsNonRoot": True}
    container = {"name": "main", "image": "belka", "securityContext": security}
    template = {"spec": {"containers": [container], "serviceAccountName": "default"}}
    assert 'violates PodSecurity "restricted' in send(namespaces, pod(template, RESTRICTED)).stderr
    assert send(namespaces, pod(template, BASELINE)).returncode == 0


def test_containers_that_argo_adds_ask_for_little_beside_the_task_s(namespaces: ControlPlane) -> None:
    (limits,) = (d for d in namespaces.render("base") if d["kind"] == "LimitRange")
    namespaces.create({**limits, "metadata": {**limits["metadata"], "namespace": BASELINE}})
    bare = {"image": "argoexec"}
    task = {"name": "main", "image": "belka", "resources": {"requests": TASK, "limits": TASK}}
    spec = {"initContainers": [{"name": "init", **bare}], "containers": [{"name": "wait", **bare}, task]}
    sent = yaml.safe_dump(pod({"spec": spec}, BASELINE))
    admitted = namespaces.kubectl("create", "--dry-run=server", "--output=json", "-f", "-", given=sent)
    assert admitted.returncode == 0, admitted.stderr
    made = json.loads(admitted.stdout)["spec"]
    asked = {each["name"]: each["resources"]["requests"] for each in (*made["initContainers"], *made["containers"])}
    added = {"cpu": "50m", "memory": "64Mi"}
    assert asked == {"init": added, "wait": added, "main": TASK}


def test_the_patch_of_the_retries_fits(namespaces: ControlPlane) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "workflow-controller-configmap"}}
    named = {**config, "metadata": {**config["metadata"], "namespace": "kubeflow"}}  # type: ignore[dict-item]
    namespaces.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kubeflow"}}, named)
    patch = ["patch", "configmap", "workflow-controller-configmap", "-n", "kubeflow", "--dry-run=server"]
    patched = namespaces.kubectl(*patch, "--patch-file", K8S / "cluster" / "retries.yaml")
    assert patched.returncode == 0, patched.stderr
