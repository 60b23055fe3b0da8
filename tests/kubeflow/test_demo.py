"""The compiled demo on a real Kubeflow Pipelines: what becomes of an input that is refused."""

import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from belka.contract import Node
from pipeline.runners.kubeflow.follow import task_of
from pipeline.runners.kubeflow.pipeline_file import read_pipeline
from pipeline.runners.kubeflow.simulator.retries import Cluster
from tests.e2e.conftest import BELKA, Demo
from tests.kubeflow.backend import CLAIM, NAMESPACE, WORLDS, Backend

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
        tasks = [task.name for task in read_pipeline(package).tasks]
        newest = max(self.backend.get("workflows"), key=lambda each: each["metadata"]["creationTimestamp"])
        nodes = newest["status"]["nodes"].values()
        pods = [node for node in nodes if node["type"] == "Pod" and node["templateName"].endswith("container-impl")]
        return dict(Counter(str(task_of(node["name"], tasks)) for node in pods))


@pytest.fixture(scope="module")
def submitter(pipelines: Backend, demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Submitter:
    subprocess.run(["cp", "-r", demo.raw, pipelines.volume / "data"], check=True)
    return Submitter(pipelines, demo, tmp_path_factory.mktemp("submitted"))


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
