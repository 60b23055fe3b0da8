"""What the documented accounts may do, by a real API server's own rules, and what is read with them."""

from typing import Any, Final

import pytest
from kubernetes import client, config

from pipeline.runners.kubeflow.kubernetes_api import NODE_ANNOTATION, RUN_LABEL, KubernetesApi
from tests.kubeflow.control_plane import ControlPlane, module_folder
from tests.kubeflow.processes import wait_until

pytestmark = [pytest.mark.kubeflow, pytest.mark.slow]
ARGO: Final = "github.com/argoproj/argo-workflows/v3"
NAMESPACE, INSTALLATION, RUN = "team", "kubeflow", "run-1"
CONFIG_MAP: Final = "workflow-controller-configmap"
# docs/kubeflow.md, section 7.
FOLLOWS: Final[dict[str, list[dict[str, Any]]]] = {
    NAMESPACE: [
        {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
    ],
    INSTALLATION: [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [CONFIG_MAP], "verbs": ["get"]}],
}


@pytest.fixture(scope="module")
def types(cluster: ControlPlane) -> ControlPlane:
    """Argo's own types, served."""
    folder = module_folder("schemas", ARGO) / "manifests/base/crds/minimal"
    applied = cluster.kubectl("apply", "--server-side", "-k", folder)
    assert applied.returncode == 0, applied.stderr
    wait_until(lambda: "workflowtaskresults" in cluster.kubectl("api-resources").stdout, "workflows are served")
    return cluster


def test_the_account_of_the_pods_may_do_what_the_role_says_and_no_more(types: ControlPlane) -> None:
    documents = types.render("overlays/kubeflow")
    kinds = ("Namespace", "ServiceAccount", "Role", "RoleBinding")
    types.create(*(d for kind in kinds for d in documents if d["kind"] == kind))
    asked = {
        ("create", "workflowtaskresults.argoproj.io"): "yes",
        ("patch", "workflowtaskresults.argoproj.io"): "yes",
        ("get", "configmaps/kfp-launcher"): "yes",
        ("get", "secrets/mlpipeline-minio-artifact"): "yes",
        ("get", "persistentvolumeclaims"): "yes",
        ("get", "configmaps/other"): "no",
        ("get", "secrets/other"): "no",
        ("list", "secrets"): "no",
        ("create", "pods"): "no",
        ("delete", "persistentvolumeclaims"): "no",
        ("create", "workflows.argoproj.io"): "no",
    }
    for account, expected in {"belka-runner": asked, "belka": dict.fromkeys(asked, "no")}.items():
        who = f"--as=system:serviceaccount:belka:{account}"
        for (verb, resource), answer in expected.items():
            told = types.kubectl("auth", "can-i", verb, resource, "--namespace=belka", who).stdout.strip()
            assert (account, verb, resource, told) == (account, verb, resource, answer)


def _pod(name: str, node: str, status: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {RUN_LABEL: RUN},
        "annotations": {NODE_ANNOTATION: node},
    }
    # The test alone says what becomes of it, also where something runs pods.
    containers = [{"name": "main", "image": "belka"}]
    spec = {"containers": containers, "schedulerName": "nobody", "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, status


def _container(**state: Any) -> dict[str, Any]:
    return {"name": "main", "image": "belka", "imageID": "", "ready": False, "restartCount": 0, "state": state}


@pytest.fixture(scope="module")
def run(types: ControlPlane) -> ControlPlane:
    """A run with pods as a kubelet and a scheduler leave them, and the accounts `reader` and `stranger`."""
    accounts = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}
        for name in ("default", "reader", "stranger")
    ]
    types.create(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in FOLLOWS), *accounts)
    group = "rbac.authorization.k8s.io"
    reader = {"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}
    for namespace, rules in FOLLOWS.items():
        head = {"apiVersion": f"{group}/v1", "metadata": {"name": "reader", "namespace": namespace}}
        to = {"apiGroup": group, "kind": "Role", "name": "reader"}
        types.create({**head, "kind": "Role", "rules": rules})
        types.create({**head, "kind": "RoleBinding", "roleRef": to, "subjects": [reader]})
    nodes = {"a": {"displayName": "train(0)", "phase": "Failed"}}
    made = {"name": "belka-x", "namespace": NAMESPACE, "labels": {RUN_LABEL: RUN}}
    kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {}}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}
    types.create(
        {**kind, "metadata": made, "status": {"nodes": nodes}},
        {**settings, "metadata": {"name": CONFIG_MAP, "namespace": INSTALLATION}},
    )
    api = client.CoreV1Api(_client(types))
    unschedulable = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: 3 Insufficient nvidia.com/gpu."}
    ended = _container(terminated={"exitCode": 75, "reason": "Error", "message": "The disk is full."})
    for pod, status in (
        _pod("p-1", "belka-x.root.train.executor(0)", {"phase": "Failed", "containerStatuses": [ended]}),
        _pod("p-2", "belka-x.root.push.executor", {"phase": "Pending", "conditions": [unschedulable]}),
        _pod("p-3", "belka-x.root.done.executor", {"phase": "Succeeded"}),
    ):
        types.create(pod)
        api.patch_namespaced_pod_status(pod["metadata"]["name"], NAMESPACE, {"status": status})
    return types


def _client(cluster: ControlPlane, token: str | None = None) -> Any:
    """A client as an administrator, or with a token alone."""
    administrator = client.Configuration()
    config.load_kube_config(str(cluster.kubeconfig), client_configuration=administrator)
    if token is None:
        return client.ApiClient(administrator)
    configuration = client.Configuration()
    configuration.host, configuration.ssl_ca_cert = administrator.host, administrator.ssl_ca_cert
    configuration.api_key = {"authorization": f"Bearer {token}"}
    return client.ApiClient(configuration)


def test_wait_reads_with_the_documented_rights_and_tells_what_it_may_not_read(run: ControlPlane) -> None:
    def api(account: str) -> KubernetesApi:
        token = run.kubectl("create", "token", account, f"--namespace={NAMESPACE}").stdout.strip()
        assert token
        return KubernetesApi(_client(run, token), account)

    reader, stranger = api("reader"), api("stranger")
    assert reader.workflow_nodes(NAMESPACE, RUN) == [("train(0)", "Failed")]
    failed = reader.failed_pods(NAMESPACE, RUN)
    assert failed is not None
    assert [(pod.name, pod.node, pod.message, pod.exit_code) for pod in failed] == [
        ("p-1", "belka-x.root.train.executor(0)", "The disk is full.", 75)
    ]
    assert reader.waiting_pods(NAMESPACE, RUN) == [
        ("belka-x.root.push.executor", "0/3 nodes: 3 Insufficient nvidia.com/gpu.")
    ]
    assert reader.config_map(INSTALLATION, CONFIG_MAP) == {"a": "b"}
    assert reader.config_map(INSTALLATION, "other") is None
    assert stranger.workflow_nodes(NAMESPACE, RUN) is None
    assert stranger.failed_pods(NAMESPACE, RUN) is None
    assert stranger.waiting_pods(NAMESPACE, RUN) == []
    assert stranger.config_map(INSTALLATION, CONFIG_MAP) is None
