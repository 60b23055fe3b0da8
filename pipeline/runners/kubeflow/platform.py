"""The second document of the YAML file: volumes, selectors, tolerations, secrets, users and /dev/shm of pods."""

from typing import Final

from pipeline.runners.kubeflow.pipeline_file import component_of, tasks_of
from pipeline.runners.kubeflow.protocol import Json
from pipeline.runners.kubeflow.settings import KubeflowSettings

SHM_PATH: Final = "/dev/shm"  # noqa: S108 - the place where Linux programs look for shared memory
SHM_VOLUME: Final = "shared-memory"
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"  # Kueue's, of plain pods


def platform_document(spec: Json, settings: KubeflowSettings) -> Json:
    """Build the platform document.

    Args:
        spec: The compiled pipeline, whose executor labels key the document.
        settings: The section `kubeflow` of the configuration.

    Returns:
        The document as JSON.
    """
    executors = {component_of(spec, task)["executorLabel"]: _executor(task, settings) for task in tasks_of(spec)}
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _executor(task: str, settings: KubeflowSettings) -> Json:
    """KubernetesExecutorConfig of kubernetes_executor_config.proto as JSON."""
    node = settings.node(task)
    config: Json = {
        "imagePullPolicy": settings.image_pull_policy,
        "pvcMount": [
            {"mountPath": volume.mount_path, **_constant("constant", "pvcNameParameter", volume.claim)}
            for volume in settings.mounts(task)
        ],
        "secretAsEnv": [
            {
                "keyToEnv": [{"secretKey": secret.key, "envVar": secret.variable}],
                **_constant("secretName", "secretNameParameter", secret.secret),
            }
            for secret in settings.secrets
        ],
        "imagePullSecret": [
            _constant("secretName", "secretNameParameter", name) for name in settings.image_pull_secrets
        ],
        "tolerations": [toleration.model_dump(exclude_none=True) for toleration in node.tolerations],
        "nodeSelector": {"labels": dict(node.node_selector)} if node.node_selector else {},
        "podMetadata": {"labels": {QUEUE_LABEL: node.queue}} if node.queue else {},
    }
    identity = {"runAsUser": settings.run_as_user, "runAsGroup": settings.run_as_group}
    if given := {key: value for key, value in identity.items() if value is not None}:
        config["securityContext"] = {**given, "runAsNonRoot": True}  # all that the document can say of it
    if node.shm_gb:
        memory = {"medium": "Memory", "sizeLimit": f"{node.shm_gb:g}G"}
        config["emptyDirMounts"] = [{"volumeName": SHM_VOLUME, "mountPath": SHM_PATH, **memory}]
    return {key: value for key, value in config.items() if value}


def _constant(plain: str, parameter: str, value: str) -> Json:
    # Backends from 2.5 on read the parameter; the plain field beside it serves the earlier ones.
    return {plain: value, parameter: {"runtimeValue": {"constant": value}}}
