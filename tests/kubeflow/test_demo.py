"""The compiled demo on a real Kubeflow Pipelines: though a pod is deleted, from its cache, and a refused input."""

import os
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.fs
import pytest

from belka.contract import SUBMISSION_FILE, Node
from pipeline.runners.kubeflow.follow import task_of
from pipeline.runners.kubeflow.kubernetes_api import nodes_of
from pipeline.runners.kubeflow.pipeline_file import read_pipeline
from pipeline.runners.kubeflow.simulator.retries import Cluster
from tests.e2e.conftest import BELKA, Demo
from tests.kubeflow.backend import BUCKET_KEYS, CLAIM, NAMESPACE, WORLDS, Backend

pytestmark = [pytest.mark.kubeflow, pytest.mark.slow, pytest.mark.timeout(3600)]
IMAGE: Final = "registry.example/belka@sha256:" + "0" * 64
RETRIES: Final = 2


@dataclass(frozen=True)
class Submitter:
    """Submits as a user does, with a kubeconfig for the cluster."""

    backend: Backend
    demo: Demo
    folder: Path

    def compile(self, name: str, *options: str) -> Path:
        """The demo as a file for the backend; 2.14 knows no user of a pod."""
        package = self.folder / f"{name}.yaml"
        own = ["kubeflow.run_as_user=null", "kubeflow.run_as_group=null", "kubeflow.retry.backoff_seconds=1"]
        own += [f"kubeflow.retry.retries={RETRIES}", "data.raw_dir=data", "data.output_dir=output", *options]
        settings = [word for setting in own for word in ("--set", setting)]
        made = self.demo.run("compile", "--out", package, "--image", IMAGE, *self.demo.options(), *settings)
        assert made.returncode == 0, made.stderr
        return package

    def submit(self, package: Path) -> subprocess.CompletedProcess[str]:
        """`belka submit --wait`."""
        words = [BELKA, "submit", package, "--endpoint", self.backend.endpoint, "--namespace", NAMESPACE, "--wait"]
        environment = {**os.environ, "KUBECONFIG": str(self.backend.cluster.kubeconfig), "COLUMNS": "200"}
        return subprocess.run([*map(str, words)], capture_output=True, text=True, check=False, env=environment)

    def simulate(self, package: Path, *options: str) -> subprocess.CompletedProcess[str]:
        volume = self.folder / "volume"
        if not volume.exists():
            (volume / "data").parent.mkdir()
            (volume / "data").symlink_to(self.demo.raw)
        place = ("--volume", f"{CLAIM}={volume}", "--work-dir", self.folder / "simulated")
        return self.demo.run("simulate", package, *place, *options)

    def attempts(self, package: Path) -> dict[str, int]:
        """Pods of each task in the newest run."""
        tasks = task_names(package)
        return dict(Counter(str(task_of(node["name"], tasks)) for node in executors(newest(self.backend))))

    def submissions(self) -> list[bytes]:
        """Each submission.csv in the bucket of the backend."""
        address = f"127.0.0.1:{self.backend.ports.buckets}"
        access, secret = BUCKET_KEYS
        where = {"scheme": "http", "endpoint_override": address}
        store = pyarrow.fs.S3FileSystem(access_key=access, secret_key=secret, **where)
        found = store.get_file_info(pyarrow.fs.FileSelector("mlpipeline", recursive=True))
        files = [file.path for file in found if file.base_name == SUBMISSION_FILE]
        return [store.open_input_stream(file).read() for file in files]


def task_names(package: Path) -> list[str]:
    return [task.name for task in read_pipeline(package).tasks]


def newest(backend: Backend) -> dict[str, Any]:
    """The workflow of the newest run."""
    return max(backend.get("workflows"), key=lambda each: str(each["metadata"]["creationTimestamp"]))


def executors(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    """Nodes of the pods that run our containers, one for each attempt."""
    nodes = nodes_of(workflow)
    return [node for node in nodes if node["type"] == "Pod" and node["templateName"].endswith("container-impl")]


@contextmanager
def deleted_once(backend: Backend, package: Path, task: str) -> Iterator[list[str]]:
    """Delete the pod of a task while it trains; the names of the deleted pods.

    The controller must have seen it running: a pod that goes before is made anew, and no attempt is counted.
    """
    tasks, over, deleted = task_names(package), threading.Event(), list[str]()

    def look() -> None:
        while not deleted and not over.wait(2):
            for workflow in backend.get("workflows", "--selector=pipeline/runid"):
                nodes = [
                    node["id"]
                    for node in executors(workflow)
                    if node["phase"] == "Running" and task_of(node["name"], tasks) == task
                ]
                for pod in backend.get("pods", "--field-selector=status.phase=Running"):
                    name, notes = pod["metadata"]["name"], pod["metadata"].get("annotations", {})
                    if notes.get("workflows.argoproj.io/node-id") in nodes:
                        backend.cluster.kubectl("delete", "pod", name, f"--namespace={NAMESPACE}", "--wait=false")
                        deleted.append(name)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield deleted
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def submitter(pipelines: Backend, demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Submitter:
    subprocess.run(["cp", "-r", demo.raw, pipelines.volume / "data"], check=True)
    return Submitter(pipelines, demo, tmp_path_factory.mktemp("submitted"))


def test_the_demo_ends_though_a_pod_of_it_is_deleted_while_it_trains(submitter: Submitter) -> None:
    package, trained = submitter.compile("demo", "data.raw_digest=demo-1"), f"{Node.TRAINER}-mlm"
    backend = submitter.backend
    with backend.controller(WORLDS[Cluster.PATCHED]), deleted_once(backend, package, trained) as deleted:
        first = submitter.submit(package)
        assert first.returncode == 0, first.stdout + first.stderr
        assert len(deleted) == 1
        assert submitter.attempts(package) == {**dict.fromkeys(task_names(package), 1), trained: 2}
        assert submitter.submissions() == [(submitter.demo.output / SUBMISSION_FILE).read_bytes()]
        second = submitter.submit(package)
    assert second.returncode == 0, second.stdout + second.stderr
    # A push is an effect beside the artifact, so it is done again.
    assert submitter.attempts(package) == {Node.PUSHER: 1}


def test_a_refused_input_is_one_attempt_where_the_simulator_says_so(submitter: Submitter) -> None:
    package = submitter.compile("refused", "data.raw_digest=none-1", "data.raw_dir=nowhere")
    with submitter.backend.controller(WORLDS[Cluster.AS_2_17]):
        done = submitter.submit(package)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{Node.PARQUET_MERGE}: " in done.stderr
    assert "nowhere" in done.stderr
    assert submitter.attempts(package)[Node.PARQUET_MERGE] == 1
    simulated = submitter.simulate(package, "--cluster", Cluster.AS_2_17, "--no-cache")
    assert simulated.returncode == 1
    assert f"The task {Node.PARQUET_MERGE} failed in 1 attempt(s)." in simulated.stderr
