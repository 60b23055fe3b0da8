"""What the cluster in front of `belka submit` makes of retries, as far as it can be seen from here."""

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from pipeline.runners.kubeflow.connection import CONNECTION_ERRORS, INSTALLATION_NAMESPACE, TIMEOUT_SECONDS
from pipeline.runners.kubeflow.kubernetes_api import KubernetesApi
from pipeline.runners.kubeflow.simulator.retries import Cluster

CONFIG_MAP: Final = "workflow-controller-configmap"
LOOK: Final = f"kubectl get configmap -n {INSTALLATION_NAMESPACE} {CONFIG_MAP} -o yaml"
MEND: Final = "k8s/cluster/retries.yaml has both tried again (docs/kubeflow.md, section 6)"
# Source: see `Cluster`.
BEHAVIOUR: Final[Mapping[Cluster, str]] = {
    Cluster.PATCHED: "a container that fails is tried again, a pod that is lost is tried again",
    Cluster.AS_2_17: "a container that fails is not tried again, a pod that is lost is tried again",
    Cluster.BEFORE_2_17: "a container that fails is tried again, a pod that is lost is not tried again",
}
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.")


def describe_retries(client: Any) -> str:
    """What becomes of a task that fails on this cluster.

    Args:
        client: A `kfp.Client`.

    Returns:
        One line: the behaviour and where it was seen, or that it cannot be seen and what to check.
    """
    kubernetes = KubernetesApi.find()
    data = kubernetes.config_map(INSTALLATION_NAMESPACE, CONFIG_MAP) if kubernetes else None
    if kubernetes is not None and data is not None:
        seen = f"{CONFIG_MAP} of kubectl's context {kubernetes.context}"
        strategy = _strategy(data)
        cluster = _cluster(strategy)
        if cluster is None:
            shown = yaml.safe_dump(strategy, default_flow_style=True, sort_keys=False).strip()
            return f"what the file says is merged with the controller's own defaults: retryStrategy is {shown} ({seen})"
        return f"{BEHAVIOUR[cluster]} ({seen}){'' if cluster is Cluster.PATCHED else f'; {MEND}'}"
    if (version := _backend_version(client)) is None:
        return f"what this cluster makes of them cannot be seen from here; look for retryStrategy in: {LOOK}"
    cluster = Cluster.BEFORE_2_17 if version < (2, 17) else Cluster.AS_2_17
    text = ".".join(map(str, version))
    return (
        f"{BEHAVIOUR[cluster]} (Kubeflow Pipelines {text} as it is installed); whether that was changed: {LOOK}; {MEND}"
    )


def _strategy(data: Mapping[str, str]) -> dict[str, Any] | None:
    """The retry strategy that the controller gives to every template; None where it gives none."""
    found: Any = {**_mapping(data.get("config")), **{key: text for key, text in data.items() if key != "config"}}
    for key in ("workflowDefaults", "spec", "templateDefaults", "retryStrategy"):
        found = _mapping(found.get(key))
    return found or None


def _mapping(value: Any) -> dict[str, Any]:
    try:
        read = yaml.safe_load(value) if isinstance(value, str) else value
    except yaml.YAMLError:
        return {}
    return read if isinstance(read, dict) else {}


def _cluster(strategy: dict[str, Any] | None) -> Cluster | None:
    if strategy is None:
        return Cluster.BEFORE_2_17
    limit, policy = str(strategy.get("limit", "")), strategy.get("retryPolicy")
    if limit == "0" and policy == "Always":
        return Cluster.PATCHED
    return Cluster.AS_2_17 if limit.isdigit() and int(limit) > 0 and policy == "OnError" else None


def _backend_version(client: Any) -> tuple[int, ...] | None:
    """Version of the API server.

    Source: healthz in kubeflow/pipelines, backend/src/apiserver/main.go and, through the UI,
    frontend/server/handlers/healthz.ts.
    """
    import kfp_server_api  # type: ignore[import-untyped]  # ships no types

    api = client._healthz_api.api_client  # noqa: SLF001 - kfp's own method drops the version
    try:
        health = api.call_api(
            "/apis/v2beta1/healthz",
            "GET",
            auth_settings=["Bearer"],
            response_type="object",
            _return_http_data_only=True,
            _request_timeout=TIMEOUT_SECONDS,
        )
    except (kfp_server_api.ApiException, *CONNECTION_ERRORS):
        return None
    tag = str(health.get("apiServerTagName") or health.get("tag_name") or "") if isinstance(health, dict) else ""
    match = _VERSION.match(f"{tag}.")
    return (*(int(part) for part in re.findall(r"\d+", tag)[:3]),) if match else None
