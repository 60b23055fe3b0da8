"""When a cluster starts the pod of a task once more: its version and its settings decide, not the compiled file."""

from enum import StrEnum
from typing import Final

from pipeline.runners.kubeflow.pipeline_file import TaskSpec

DEFAULT_LIMIT_2_17: Final = 2
# Defaults of templates are those of a task's DAGs as well: run, pipeline and task (entrypoint, root and executor in
# kubeflow/pipelines, backend/src/v2/compiler/argocompiler). Seen: tests/kubeflow/test_retries.py.
DAGS_AROUND: Final = 3


class Ending(StrEnum):
    """How a pod ended without success, in Argo's words."""

    FAILURE = "Failure"  # its container ended with another code than 0, or the kubelet evicted it (inferFailedReason)
    ERROR = "Error"  # the pod itself went: deleted, drained, its node lost


class Cluster(StrEnum):
    """A cluster by what it makes of retries.

    Source: runs on Kubeflow Pipelines 2.17.0 with Argo 4.0.8, and Argo's RetryStrategy (workflow_types.go): without a
    policy it is OnFailure, which is a container that fails and not a pod that is lost.
    """

    BEFORE_2_17 = "before-2.17"
    # workflow-controller-configmap: templateDefaults.retryStrategy {limit 2, OnError}, merged into every task.
    AS_2_17 = "2.17"
    # The same configmap with `limit: "0"` and `retryPolicy: Always`: k8s/cluster/retries.yaml.
    PATCHED = "patched"

    def attempts(self, task: TaskSpec, ending: Ending) -> int:
        """How often a task is tried in all that ends in this way each time.

        Args:
            task: The task; its own number of attempts counts where it declares one.
            ending: How its pods end.
        """
        if self is Cluster.PATCHED:
            return task.attempts
        if self is Cluster.BEFORE_2_17:
            return task.attempts if ending is Ending.FAILURE else 1
        if ending is Ending.FAILURE:
            return 1
        own = task.attempts if "retryPolicy" in task.task else DEFAULT_LIMIT_2_17 + 1
        return own * (DEFAULT_LIMIT_2_17 + 1) ** DAGS_AROUND
