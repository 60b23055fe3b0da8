"""What the cluster itself can say of a run where this machine has a kubeconfig: workflows, pods and configmaps."""

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote

from urllib3.exceptions import HTTPError

from pipeline.runners.kubeflow.protocol import Json

RUN_LABEL: Final = "pipeline/runid"  # of workflows and pods; kubeflow/pipelines backend/src/common/util/consts.go
NODE_ANNOTATION: Final = "workflows.argoproj.io/node-name"  # of pods; argo-workflows workflow/common/common.go
TIMEOUT_SECONDS: Final = (3.0, 30.0)  # to connect, to answer


@dataclass(frozen=True)
class Pod:
    """A pod that ended without success.

    Attributes:
        name: Its name, as `kubectl logs` wants it.
        node: Name of Argo's node: the way from the workflow to the pod, `belka-x.root.parquet-merge.executor(0)`.
        started: When it was made, ISO 8601.
        message: What its container left as the reason; empty where it left none.
        exit_code: Exit code of its container; None where the pod itself went.
    """

    name: str
    node: str
    started: str
    message: str
    exit_code: int | None


class KubernetesApi:
    """Reads from the API server of the current context; whatever cannot be read is None.

    Args:
        client: A `kubernetes.client.ApiClient`.
        context: Name of the context, for messages.
    """

    def __init__(self, client: Any, context: str) -> None:
        self._client, self.context = client, context

    @classmethod
    def find(cls) -> Self | None:
        """The cluster of kubectl's current context, or the one this process runs in; None where there is neither."""
        from kubernetes import client, config

        configuration = client.Configuration()
        try:
            context = str(config.list_kube_config_contexts()[1]["name"])
            config.load_kube_config(client_configuration=configuration)
        except (config.ConfigException, OSError, TypeError):
            try:
                config.load_incluster_config(client_configuration=configuration)
            except config.ConfigException:
                return None
            context = "the cluster of this pod"
        configuration.retries = 0
        return cls(client.ApiClient(configuration), context)

    def get(self, path: str, **selectors: str) -> Json | None:
        """Read one path.

        Args:
            path: Below the server's root.
            selectors: Query parameters (labelSelector, fieldSelector).

        Returns:
            What the server answers; None where nothing answers or it refuses.
        """
        from kubernetes.client import ApiException

        try:
            answer: Json = self._client.call_api(
                path,
                "GET",
                query_params=list(selectors.items()),
                header_params={"Accept": "application/json"},
                auth_settings=["BearerToken"],
                response_type="object",
                _return_http_data_only=True,
                _request_timeout=TIMEOUT_SECONDS,
            )
        except (ApiException, HTTPError, OSError):
            return None
        return answer

    def config_map(self, namespace: str, name: str) -> dict[str, str] | None:
        """The data of a configmap; None where it cannot be read."""
        found = self.get(f"/api/v1/namespaces/{quote(namespace)}/configmaps/{quote(name)}")
        return None if found is None else found.get("data") or {}

    def workflow_nodes(self, namespace: str, run_id: str) -> list[tuple[str, str]] | None:
        """Display name and phase of every node of a run's workflow.

        Returns:
            The nodes; None where the workflow cannot be read.
        """
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{quote(namespace)}/workflows"
        found = self.get(path, labelSelector=f"{RUN_LABEL}={run_id}")
        for workflow in (found or {}).get("items", ()):
            return [(node.get("displayName", ""), node.get("phase", "")) for node in nodes_of(workflow)]
        return None

    def waiting_pods(self, namespace: str, run_id: str) -> list[tuple[str, str]]:
        """Node name and reason of each pod of a run that waits for something: a node, an image, a secret, a queue."""
        found = self._pods(namespace, run_id, "Pending")
        waiting = [(_node(pod), _waits_for(pod.get("status", {}))) for pod in found or ()]
        return [(node, reason) for node, reason in waiting if reason]

    def failed_pods(self, namespace: str, run_id: str) -> list[Pod] | None:
        """The pods of a run that ended without success, oldest first; None where they cannot be read."""
        found = self._pods(namespace, run_id, "Failed")
        return None if found is None else sorted(map(_pod, found), key=lambda pod: pod.started)

    def _pods(self, namespace: str, run_id: str, phase: str) -> list[Json] | None:
        path = f"/api/v1/namespaces/{quote(namespace)}/pods"
        found = self.get(path, labelSelector=f"{RUN_LABEL}={run_id}", fieldSelector=f"status.phase={phase}")
        return None if found is None else list(found.get("items", ()))


def nodes_of(workflow: Json) -> list[Json]:
    """The nodes of a workflow.

    Argo compresses them once the workflow exceeds 1 MiB; Kubeflow's own API does not read them then.
    Source: argo-workflows, workflow/packer/packer.go and util/file/fileutil.go (gzip, then base64).
    """
    status = workflow.get("status", {})
    if packed := status.get("compressedNodes"):
        nodes = json.loads(gzip.decompress(base64.b64decode(packed)))
    else:
        nodes = status.get("nodes", {})
    return list(nodes.values())


def _waits_for(status: Json) -> str:
    """Source: PodStatus of the Kubernetes API. A pod that is only being started waits for nothing."""
    if status.get("phase") != "Pending":
        return ""
    for condition in status.get("conditions", ()):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason", ""))
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason", "PodInitializing") not in {"PodInitializing", "ContainerCreating"}:
            return ": ".join(filter(None, (waiting["reason"], waiting.get("message"))))
    return ""


def _node(pod: Json) -> str:
    return str(pod["metadata"].get("annotations", {}).get(NODE_ANNOTATION, ""))


def _pod(found: Json) -> Pod:
    metadata, status = found["metadata"], found.get("status", {})
    ended = {
        container["name"]: terminated
        for container in status.get("containerStatuses", ())
        if (terminated := container.get("state", {}).get("terminated"))
    }
    main = ended.get("main", {})  # Argo calls the container of the task so
    return Pod(
        name=metadata["name"],
        node=_node(found),
        started=metadata.get("creationTimestamp", ""),
        message=str(main.get("message") or status.get("message") or status.get("reason") or "").strip(),
        exit_code=main.get("exitCode"),
    )
