"""The configuration's section `kubeflow`: where a compiled pipeline runs and what each pod gets."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from belka.settings import StrictSection

# Names of Kubernetes objects (RFC 1123 label) and of environment variables.
DnsLabel = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
AbsolutePath = Annotated[str, Field(pattern=r"^/[^/]")]
Word = Annotated[str, Field(min_length=1)]
Amount = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=0)]
OptionalAmount = Annotated[float, Field(ge=0.0)]

NVIDIA_GPU: Final = "nvidia.com/gpu"

logger = logging.getLogger(__name__)


def _whole(value: Any) -> Any:
    """Take 2.0 for 2; the backend cannot resolve 1.5 to an int."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Toleration(StrictSection):
    """A taint that a pod accepts (the fields of a Kubernetes toleration)."""

    key: str | None = Field(default=None, description="Taint key; null with operator Exists accepts every taint.")
    operator: Literal["Exists", "Equal"] = Field(default="Exists", description="How key and value are compared.")
    value: str | None = Field(default=None, description="Taint value, with operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Taint effect; null accepts all."
    )


class VolumeMount(StrictSection):
    """A persistent volume claim mounted into pods."""

    claim: DnsLabel = Field(description="Name of the PersistentVolumeClaim in the namespace of the run.")
    mount_path: AbsolutePath = Field(description="Folder of the container where it appears.")
    nodes: tuple[str, ...] = Field(default=(), strict=False, description="Node ids that mount it; empty = all.")


class SecretVariable(StrictSection):
    """One key of a Kubernetes secret as an environment variable."""

    secret: DnsLabel = Field(description="Name of the Secret in the namespace of the run.")
    key: Word = Field(description="Key within the Secret.")
    variable: VariableName = Field(description="Environment variable of the container.")


class RetryPolicy(StrictSection):
    """How often the backend tries a task; which failures count is decided by the cluster (docs/kubeflow.md)."""

    retries: int = Field(default=2, ge=0, le=100, description="Further attempts after the first; 0 = none.")
    backoff_seconds: int = Field(default=60, ge=0, description="Wait before the second attempt.")
    backoff_factor: Annotated[int, BeforeValidator(_whole)] = Field(
        default=2, ge=1, description="Growth of the wait from attempt to attempt, a whole number."
    )
    give_up_after_seconds: int = Field(
        default=30 * 86_400,
        ge=1,
        description="Time after which no further attempt starts, counted from the start of the first one.",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_max_backoff(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and "max_backoff_seconds" in values:
            logger.warning(
                "kubeflow.retry.max_backoff_seconds is left out: it never bounded a wait, it ended all retries so many "
                "seconds after the first attempt began. kubeflow.retry.give_up_after_seconds does that by its name."
            )
            return {name: value for name, value in values.items() if name != "max_backoff_seconds"}
        return values


class PodOverrides(StrictSection):
    """What the pod of one node gets instead of `kubeflow.defaults`, field by field; null keeps the default.

    Attributes:
        image: Image of this node; null = kubeflow.image or kubeflow.gpu_image.
    """

    image: Word | None = None
    cpu: Amount | None = None
    memory_gb: Amount | None = None
    gpus: Count | None = None
    gpu_type: Word | None = None
    shm_gb: OptionalAmount | None = None
    node_selector: Mapping[str, str] | None = None
    tolerations: tuple[Toleration, ...] | None = Field(default=None, strict=False)
    queue: DnsLabel | None = None
    spot: bool | None = None


class PodSettings(StrictSection):
    """What the pod of a node gets."""

    cpu: Amount = Field(default=2.0, description="Cores, as request and limit.")
    memory_gb: Amount = Field(default=8.0, description="Memory as request and limit, GB (10^9 bytes).")
    gpus: Count = Field(default=0, description="Accelerators.")
    gpu_type: Word = Field(default=NVIDIA_GPU, description="Kubernetes resource name of an accelerator.")
    shm_gb: OptionalAmount = Field(
        default=1.0, description="Size of /dev/shm, GB; counts as memory. 0 = the runtime's 64 MB."
    )
    node_selector: Mapping[str, str] = Field(default_factory=dict, description="Labels a cluster node must carry.")
    tolerations: tuple[Toleration, ...] = Field(default=(), strict=False, description="Taints the pod accepts.")
    queue: DnsLabel | None = Field(
        default=None, description="Kueue's LocalQueue that admits the pod; null = it is not queued."
    )
    spot: bool = Field(default=False, description="Run on nodes that may be taken away at any time (kubeflow.spot).")

    def overridden(self, overrides: PodOverrides) -> "PodSettings":
        """These settings with the values of one node that are not null."""
        return self.model_copy(
            update={name: value for name in type(self).model_fields if (value := getattr(overrides, name)) is not None}
        )


class SpotSettings(StrictSection):
    """What leads to nodes that may be taken away at any time, and what a training on them does."""

    node_selector: Mapping[str, str] = Field(default_factory=dict, description="Labels such a cluster node carries.")
    tolerations: tuple[Toleration, ...] = Field(default=(), strict=False, description="Taints of such a node.")
    checkpoint_every_steps: int = Field(
        default=200,
        ge=1,
        description="Batches between checkpoints there, where training.checkpoint_every_steps is more: what it costs "
        "when a node goes without notice. With notice the state is saved at once.",
    )


class KubeflowSettings(StrictSection):
    """Where a compiled pipeline runs and what its pods get."""

    image: Word | None = Field(
        default=None, description="Image of every node, registry/name@sha256:...; `belka compile` needs one."
    )
    gpu_image: Word | None = Field(
        default=None, description="Image of the nodes that ask for accelerators; null = image."
    )
    allow_image_tag: bool = Field(
        default=False,
        description="Accept name:tag without a digest (clusters that load images by hand). The cache then knows the "
        "tag only.",
    )
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        default="IfNotPresent", description="When the image is pulled."
    )
    image_pull_secrets: tuple[DnsLabel, ...] = Field(
        default=(), strict=False, description="Secrets with the registry's credentials."
    )
    pipeline_root: str | None = Field(
        default=None,
        description="Bucket that receives artifacts: gs://, s3:// or minio://bucket/prefix; null = the installation's "
        "default.",
    )
    endpoint: str = Field(
        default="http://localhost:8080", pattern=r"^https?://", description="URL of the Kubeflow Pipelines API or UI."
    )
    namespace: DnsLabel = Field(default="kubeflow", description="Namespace of the runs.")
    experiment: Word = Field(default="belka", description="Experiment that groups the runs.")
    service_account: DnsLabel | None = Field(
        default=None, description="Service account of the pods; null = the installation's default."
    )
    run_as_user: int | None = Field(
        default=1000, ge=1, description="User of the pods' containers, not root; null = the image's or the cluster's."
    )
    run_as_group: int | None = Field(
        default=1000,
        ge=0,
        description="Group of the pods' containers; null = the image's. Both null: nothing is set, as backends before "
        "2.16 want it.",
    )
    auth: Literal["none", "token", "service_account"] = Field(
        default="none",
        description="How `belka submit` proves who it is: not at all (port-forward), with the token in token_variable, "
        "or with the projected service account token at token_path.",
    )
    token_variable: VariableName = Field(
        default="KFP_TOKEN", description="Environment variable with the bearer token (auth: token)."
    )
    token_path: AbsolutePath = Field(
        default="/var/run/secrets/kubeflow/pipelines/token",
        description="File of the projected token (auth: service_account).",
    )
    volumes: tuple[VolumeMount, ...] = Field(
        default=(VolumeMount(claim="belka-data", mount_path="/mnt/belka"),),
        strict=False,
        description="Claims that hold raw data and results. Relative data.raw_dir and data.output_dir lie below the "
        "first one.",
    )
    env: Mapping[VariableName, str] = Field(default_factory=dict, description="Environment variables of every node.")
    secrets: tuple[SecretVariable, ...] = Field(
        default=(), strict=False, description="Environment variables of every node that come from Secrets."
    )
    retry: RetryPolicy = Field(default=RetryPolicy(), description="What happens when a task fails.")
    spot: SpotSettings = Field(default=SpotSettings(), description="Nodes for what has `spot: true`.")
    defaults: PodSettings = Field(default=PodSettings(), description="What every node gets.")
    nodes: Mapping[str, PodOverrides] = Field(
        default_factory=dict, description="Node id (trainer-clf, ...) -> what this node gets instead."
    )

    def mounts(self, node_id: str) -> list[VolumeMount]:
        """The volumes that the pod of one node mounts."""
        return [volume for volume in self.volumes if not volume.nodes or node_id in volume.nodes]

    def node(self, node_id: str) -> PodSettings:
        """What the pod of one node gets."""
        node = self.defaults.overridden(self.nodes.get(node_id, PodOverrides()))
        if not node.spot:
            return node
        selector = {**node.node_selector, **self.spot.node_selector}
        tolerations = (*node.tolerations, *self.spot.tolerations)
        return node.model_copy(update={"node_selector": selector, "tolerations": tolerations})

    def node_image(self, node_id: str) -> str | None:
        """The image of one node: its own, else gpu_image where it asks for accelerators, else image."""
        of_its_kind = (self.gpu_image or self.image) if self.node(node_id).gpus else self.image
        return self.nodes.get(node_id, PodOverrides()).image or of_its_kind
