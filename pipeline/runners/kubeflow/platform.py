"""The second document of the YAML file: volumes, node selectors, tolerations, secrets and /dev/shm of the pods."""

from typing import Any, Final

from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2 as messages
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.runners.kubeflow.pipeline_file import component_of, tasks_of
from pipeline.runners.kubeflow.protocol import Json
from pipeline.runners.kubeflow.settings import KubeflowSettings

SHM_PATH: Final = "/dev/shm"  # noqa: S108 - the place where Linux programs look for shared memory
SHM_VOLUME: Final = "shared-memory"


def platform_document(spec: Json, settings: KubeflowSettings) -> Json:
    """Build the platform document.

    Args:
        spec: The compiled pipeline, whose executor labels key the document.
        settings: The section `kubeflow` of the configuration.

    Returns:
        The document as JSON.
    """
    executors = {
        component_of(spec, task)["executorLabel"]: json_format.MessageToDict(_executor_config(task, settings))
        for task in tasks_of(spec)
    }
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}


def _executor_config(task: str, settings: KubeflowSettings) -> Any:
    node = settings.node(task)
    config = messages.KubernetesExecutorConfig(
        image_pull_policy=settings.image_pull_policy,
        pvc_mount=[
            messages.PvcMount(
                constant=volume.claim, mount_path=volume.mount_path, pvc_name_parameter=_constant(volume.claim)
            )
            for volume in settings.mounts(task)
        ],
        secret_as_env=[
            messages.SecretAsEnv(
                secret_name=secret.secret,
                secret_name_parameter=_constant(secret.secret),
                key_to_env=[messages.SecretAsEnv.SecretKeyToEnvMap(secret_key=secret.key, env_var=secret.variable)],
            )
            for secret in settings.secrets
        ],
        image_pull_secret=[
            messages.ImagePullSecret(secret_name=name, secret_name_parameter=_constant(name))
            for name in settings.image_pull_secrets
        ],
        tolerations=[
            messages.Toleration(**toleration.model_dump(exclude_none=True)) for toleration in node.tolerations
        ],
    )
    if node.node_selector:
        config.node_selector.labels.update(node.node_selector)
    if node.shm_gb:
        config.empty_dir_mounts.add(
            volume_name=SHM_VOLUME, mount_path=SHM_PATH, medium="Memory", size_limit=f"{node.shm_gb:g}G"
        )
    return config


def _constant(value: str) -> Any:
    # Backends from 2.5 on read this form; the plain field beside it serves the earlier ones.
    parameter = pipeline_spec_pb2.TaskInputsSpec.InputParameterSpec()
    parameter.runtime_value.constant.string_value = value
    return parameter
