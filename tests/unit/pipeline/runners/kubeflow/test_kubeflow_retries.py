"""Which endings of a pod a cluster answers with another attempt, as it was seen on real ones."""

import pytest
import yaml

from pipeline.runners.kubeflow.pipeline_file import TaskSpec
from pipeline.runners.kubeflow.simulator.retries import Cluster, Ending


@pytest.mark.parametrize(
    ("cluster", "failing_container", "lost_pod"),
    [(Cluster.AS_2_17, 1, 4 * 27), (Cluster.BEFORE_2_17, 4, 1), (Cluster.PATCHED, 4, 4)],
)
def test_a_cluster_and_not_the_file_says_which_failures_are_tried_again(
    cluster: Cluster, failing_container: int, lost_pod: int
) -> None:
    task = TaskSpec("a", {"retryPolicy": {"maxRetryCount": 3}}, {}, {}, {})
    assert [cluster.attempts(task, ending) for ending in Ending] == [failing_container, lost_pod]


@pytest.mark.parametrize(
    ("cluster", "lost_pod"), [(Cluster.AS_2_17, 3 * 27), (Cluster.BEFORE_2_17, 1), (Cluster.PATCHED, 1)]
)
def test_2_17_tries_a_lost_pod_twice_more_without_a_word_of_the_task(cluster: Cluster, lost_pod: int) -> None:
    assert cluster.attempts(TaskSpec("a", {}, {}, {}, {}), Ending.ERROR) == lost_pod
    assert cluster.attempts(TaskSpec("a", {}, {}, {}, {}), Ending.FAILURE) == 1


def test_the_patch_says_what_the_simulator_takes_it_for() -> None:
    with open("k8s/cluster/retries.yaml", encoding="utf-8") as stream:  # noqa: PTH123 - a file of the repository
        patch = yaml.safe_load(stream)
    defaults = yaml.safe_load(patch["data"]["workflowDefaults"])
    assert defaults["spec"]["templateDefaults"]["retryStrategy"] == {"limit": "0", "retryPolicy": "Always"}
