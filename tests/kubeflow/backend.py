"""Kubeflow Pipelines 2.14.3 on a real Kubernetes API: its own manifests and programs, processes in place of pods."""

import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from pipeline.runners.kubeflow.simulator.retries import Cluster
from tests.kubeflow.control_plane import REPOSITORY, TOOLS, ControlPlane, answers, module_folder
from tests.kubeflow.kubelet import Kubelet, Machine, kubelet
from tests.kubeflow.processes import free_ports, server, wait_until
from tests.kubeflow.sandbox import cannot_run

NAMESPACE: Final = "kubeflow"
CLAIM: Final = "belka-data"
CONFIG_MAP: Final = "workflow-controller-configmap"
ARGO: Final = "github.com/argoproj/argo-workflows/v3"
PIPELINES: Final = "github.com/kubeflow/pipelines"
# workflow-controller-configmap of 2.17.0, as it was seen there; before 2.17 the key is not there.
_OF_2_17: Final = "{spec: {templateDefaults: {retryStrategy: {limit: 2, retryPolicy: OnError}}}}"
_PATCH: Final = yaml.safe_load((REPOSITORY / "k8s" / "cluster" / "retries.yaml").read_text(encoding="utf-8"))["data"]
WORLDS: Final[Mapping[Cluster, Mapping[str, str]]] = {
    Cluster.BEFORE_2_17: {},
    Cluster.AS_2_17: {"workflowDefaults": _OF_2_17},
    Cluster.PATCHED: _PATCH,
}
BUCKETS: Final = REPOSITORY / ".envs" / "backend" / "bin" / "moto_server"
BUCKET_KEYS: Final = ("minio", "minio123")  # those of Kubeflow's own manifests; moto takes any
CONTROLLER: Final = "workflow-controller"
PROGRAMS: Final = ("argoexec", CONTROLLER)
BACKEND_PROGRAMS: Final = ("driver", "launcher-v2", "kfp-apiserver", "kfp-persistence-agent")
_SBIN: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_INSTALLED: Final = {
    "ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
    "CustomResourceDefinition", "PriorityClass", "Deployment",
}  # fmt: skip


def missing_programs() -> str | None:
    """Why pods, buckets or the database cannot run here, if they cannot."""
    if not BUCKETS.exists():
        return "moto's server: not installed; `make test-kubeflow` does"
    if shutil.which("mariadbd", path=_SBIN) is None:
        return "mariadbd: not installed; Debian has it in mariadb-server-core"
    return cannot_run()


@dataclass(frozen=True)
class Ports:
    """Where the servers around the backend listen, on 127.0.0.1."""

    buckets: int
    metadata: int
    database: int
    http: int
    grpc: int


@dataclass(frozen=True)
class Backend:
    """What runs.

    Attributes:
        cluster: Its Kubernetes API.
        nodes: What runs its pods.
        ports: Its servers.
        manifests: Documents of the installation by kind and name.
        volume: Folder behind the claim.
    """

    cluster: ControlPlane
    nodes: Kubelet
    ports: Ports
    manifests: Mapping[tuple[str, str], Any]
    volume: Path

    @property
    def endpoint(self) -> str:
        """URL of Kubeflow Pipelines' API."""
        return f"http://127.0.0.1:{self.ports.http}"

    def get(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """Objects of the installation's namespace."""
        found = self.cluster.kubectl("get", kind, f"--namespace={NAMESPACE}", "--output=json", *arguments)
        assert found.returncode == 0, found.stderr
        return list(json.loads(found.stdout)["items"])

    @contextmanager
    def deployment(self, name: str, words: Sequence[str | Path]) -> Iterator[None]:
        """Run the pod of a deployment until the block ends.

        Args:
            name: Of the deployment.
            words: Its command and arguments, where the image has one.
        """
        template = self.manifests["Deployment", name]["spec"]["template"]
        container = {**template["spec"]["containers"][0], "command": [str(words[0])], "args": [*map(str, words[1:])]}
        spec = {**template["spec"], "containers": [container], "restartPolicy": "Never"}
        metadata = {"namespace": NAMESPACE, "generateName": f"{name}-", "labels": template["metadata"]["labels"]}
        pod = yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        made = self.cluster.kubectl("create", "--output=name", "-f", "-", given=pod)
        assert made.returncode == 0, made.stderr
        try:
            yield
        finally:
            self.cluster.kubectl("delete", f"--namespace={NAMESPACE}", "--grace-period=5", made.stdout.strip())

    @contextmanager
    def controller(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Run Argo's controller with these keys added to its config map, until the block ends."""
        installed = self.manifests["ConfigMap", CONFIG_MAP]
        self.cluster.kubectl("delete", "configmap", CONFIG_MAP, f"--namespace={NAMESPACE}", "--ignore-not-found")
        self.cluster.create({**installed, "data": {**installed["data"], **settings}})
        # A second controller would wait until the lease of the first has run out.
        words = [
            "env",
            "LEADER_ELECTION_DISABLE=true",
            CONTROLLER,
            f"--configmap={CONFIG_MAP}",
            "--executor-image=argoexec",
            "--namespaced",
        ]
        with self.deployment(CONTROLLER, [*words, "--executor-image=argoexec"]):
            yield

    @contextmanager
    def pipelines(self) -> Iterator[None]:
        """Run the API server and the persistence agent until the block ends."""
        config = module_folder("pipelines", PIPELINES) / "backend" / "src" / "apiserver" / "config"
        ports = self.ports
        words = ["kfp-apiserver", f"--config={config}", "-logtostderr=true", "--logLevel=info"]
        words += [f"-httpPortFlag=:{ports.http}", f"-rpcPortFlag=:{ports.grpc}"]
        agent = ["kfp-persistence-agent", "--logtostderr=true", f"--namespace={NAMESPACE}", "--numWorker=2"]
        agent += ["--mlPipelineAPIServerName=127.0.0.1", f"--mlPipelineServiceHttpPort={ports.http}"]
        agent += [f"--mlPipelineServiceGRPCPort={ports.grpc}"]
        with self.deployment("ml-pipeline", words):
            wait_until(lambda: answers(f"{self.endpoint}/apis/v2beta1/healthz"), "Kubeflow Pipelines answers", 180)
            with self.deployment("ml-pipeline-persistenceagent", agent):
                yield


@contextmanager
def backend(cluster: ControlPlane, folder: Path) -> Iterator[Backend]:
    """Install Kubeflow Pipelines and start the servers around it; its own programs are the caller's to start.

    Args:
        cluster: A Kubernetes API.
        folder: An empty folder.
    """
    ports = Ports(*free_ports(5))
    with ExitStack() as stack:
        for name, command in _servers(folder, ports).items():
            port = getattr(ports, name)
            stack.enter_context(server(command, folder / f"{name}.log", lambda port=port: _listens(port)))  # type: ignore[misc]
        manifests = _install(cluster, ports)
        volume = folder / "volume"
        volume.mkdir()
        python = Path(sys.executable)
        kept = (REPOSITORY, python.parents[1], python.resolve().parents[1], TOOLS)
        environment = {"PATH": f"{TOOLS}:{python.parent}:/usr/local/bin:/usr/bin:/bin", "HOME": "/"}
        environment |= {"PYTHONPATH": str(REPOSITORY), **_services(cluster, ports)}
        machine = Machine(folder / "pods", environment, kept, {CLAIM: volume})
        yield Backend(cluster, stack.enter_context(kubelet(cluster, machine)), ports, manifests, volume)


def _servers(folder: Path, ports: Ports) -> dict[str, list[str | Path]]:
    """Commands of the servers that come from elsewhere than Go."""
    (folder / "mariadb").mkdir()
    database: list[str | Path] = [shutil.which("mariadbd", path=_SBIN) or "mariadbd", "--no-defaults", "--user=root"]
    database += [
        f"--datadir={folder / 'mariadb'}",
        f"--socket={folder / 'db.sock'}",
        "--bind-address=127.0.0.1",
        "--skip-grant-tables",
    ]
    database += ["--skip-networking=0", f"--port={ports.database}", "--innodb-flush-log-at-trx-commit=0"]
    metadata: list[str | Path] = [sys.executable, Path(__file__).with_name("metadata_server.py"), str(ports.metadata)]
    return {
        "buckets": [BUCKETS, "--host", "127.0.0.1", "--port", str(ports.buckets)],
        "metadata": [*metadata, folder / "metadata.db"],
        "database": database,
    }


def _services(cluster: ControlPlane, ports: Ports) -> dict[str, str]:
    """The variables by which pods find services."""
    where = {
        "KUBERNETES_SERVICE_PORT": cluster.url.rsplit(":", 1)[1],
        "ML_PIPELINE_SERVICE_PORT": ports.http,
        "ML_PIPELINE_SERVICE_PORT_GRPC": ports.grpc,
        "ML_PIPELINE_VISUALIZATIONSERVER_SERVICE_PORT": 1,  # asked for at the start, and never called
        "METADATA_GRPC_SERVICE_SERVICE_PORT": ports.metadata,
        "MINIO_SERVICE_SERVICE_PORT": ports.buckets,
    }
    hosts = {f"{name.partition('_PORT')[0]}_HOST": "127.0.0.1" for name in where}
    return {**hosts, **{name: str(port) for name, port in where.items()}}


def _install(cluster: ControlPlane, ports: Ports) -> dict[tuple[str, str], Any]:
    """Make every object of Kubeflow Pipelines and Argo, but for what runs; addresses are those of this machine."""
    kustomize = module_folder("pipelines", PIPELINES) / "manifests" / "kustomize"
    argo = module_folder("schemas", ARGO) / "manifests"
    folders = [kustomize / "base" / "installs" / "generic", kustomize / "base" / "metadata" / "base"]
    folders += [kustomize / "base" / "pipeline" / "cluster-scoped", argo / "base" / "crds" / "minimal"]
    folders += [argo / "base" / CONTROLLER, argo / "namespace-install" / "workflow-controller-rbac"]
    found = [document for folder in folders for document in cluster.render(str(folder))]
    documents = {(each["kind"], each["metadata"]["name"]): each for each in found if each["kind"] in _INSTALLED}
    for (kind, _), document in documents.items():
        if kind not in {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PriorityClass"}:
            document["metadata"]["namespace"] = NAMESPACE
        for subject in document.get("subjects", ()):
            subject["namespace"] = NAMESPACE
    patch = (kustomize / "third-party" / "argo" / "base" / f"{CONFIG_MAP}-patch.yaml").read_text(encoding="utf-8")
    patch = patch.replace("minio-service.$(kfp-namespace):9000", f"127.0.0.1:{ports.buckets}")
    settings = yaml.safe_load(patch.replace("$(kfp-artifact-bucket-name)", "mlpipeline"))["data"]
    documents["ConfigMap", CONFIG_MAP]["data"] = {**settings, "metricsConfig": "{enabled: false}"}
    address = {"METADATA_GRPC_SERVICE_HOST": "127.0.0.1", "METADATA_GRPC_SERVICE_PORT": str(ports.metadata)}
    documents["ConfigMap", "metadata-grpc-configmap"]["data"] = address
    database = {"mysqlHost": "127.0.0.1", "mysqlPort": str(ports.database)}
    documents["ConfigMap", "pipeline-install-config"]["data"] |= database
    keys = dict(zip(("accesskey", "secretkey"), BUCKET_KEYS, strict=True))
    secret = {"stringData": keys, "kind": "Secret", "apiVersion": "v1"}
    documents["Secret", "-"] = {**secret, "metadata": {"name": "mlpipeline-minio-artifact", "namespace": NAMESPACE}}
    root = {"data": {"ca.crt": (cluster.kubeconfig.parent / "apiserver.crt").read_text(encoding="utf-8")}}
    head = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "kube-root-ca.crt", "namespace": NAMESPACE}}
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    cluster.create({**head, **root}, *(document for (kind, _), document in documents.items() if kind != "Deployment"))
    wait_until(lambda: "scheduledworkflows" in cluster.kubectl("api-resources").stdout, "Kubeflow's types are served")
    return documents


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex(("127.0.0.1", port)) == 0
