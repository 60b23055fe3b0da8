"""The real pipeline through the simulator of Kubeflow: the local submission, a retry, a second run from the cache."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))
from refusing_metadata import refusing_metadata  # type: ignore[import-not-found]

from belka.contract import Node
from pipeline.runners.kubeflow.pipeline_file import read_pipeline
from pipeline.runners.kubeflow.simulator.launcher import run_subprocess
from pipeline.runners.kubeflow.simulator.run import Simulation, TaskState, simulate

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

IMAGE = "registry.example/belka@sha256:" + "0" * 64
CLAIM = "belka-data"


class EvictOnce:
    """Runs containers; the first one of a task is killed as soon as it has started, as an evicted pod is."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.exit_codes: list[int] = []

    def __call__(self, command: Sequence[str], environment: Mapping[str, str], pod: Path, log: Path) -> int:
        if log.name != f"{self.task}-1.log":
            return run_subprocess(command, environment, pod, log)
        with subprocess.Popen(command, env=dict(environment), cwd=pod, stdout=subprocess.DEVNULL) as process:
            process.kill()
        log.write_text("evicted\n", encoding="utf-8")
        self.exit_codes.append(process.returncode)
        return process.returncode


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_cluster_gives_the_submission_of_the_local_run(
    demo: "Demo", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume, package = tmp_path / "volume", tmp_path / "pipeline.yaml"
    volume.mkdir()
    (volume / "data").symlink_to(demo.raw)
    named = ("--set", "data.raw_digest=demo-1", "--set", "data.raw_dir=data", "--set", "data.output_dir=output")
    compiled = demo.run("compile", "--out", package, "--image", IMAGE, *demo.options(), *named)
    assert compiled.returncode == 0, compiled.stderr

    pipeline, evict = read_pipeline(package), EvictOnce(Node.SMILES_VOCAB)
    simulation = Simulation(work_dir=tmp_path / "cluster", volumes={CLAIM: volume}, run_container=evict)
    with refusing_metadata() as (variables, callers), monkeypatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        results = {result.name: result for result in simulate(pipeline, simulation)}
    assert callers == []

    assert {name: result.state for name, result in results.items()} == dict.fromkeys(results, TaskState.SUCCEEDED)
    assert evict.exit_codes == [-9]
    assert {name for name, result in results.items() if result.attempts > 1} == {Node.SMILES_VOCAB}
    submission = results[Node.SUBMISSION_WRITER].outputs["submission"] / "submission.csv"
    assert submission.read_bytes() == (demo.output / "submission.csv").read_bytes()
    evaluator = results[Node.AFFINITY_EVALUATOR].outputs
    assert evaluator["report"].read_bytes() == (evaluator["evaluation"] / "report.html").read_bytes()

    lineage = demo.run("lineage", volume / "output" / "model")
    assert lineage.returncode == 0, lineage.stderr
    assert Node.PARQUET_MERGE in lineage.stdout

    again = demo.run("simulate", package, "--volume", f"{CLAIM}={volume}", "--work-dir", tmp_path / "cluster")
    assert again.returncode == 0, again.stdout + again.stderr
    assert [line for line in again.stdout.splitlines() if line.endswith(": cached")] == [
        f"{task.name}: cached" for task in pipeline.tasks if task.name != Node.PUSHER
    ]

    # A model that is not pushed fails no task, as it fails no pod.
    floor = ("--set", "evaluation.min_mean_average_precision=1.0")
    assert demo.run("compile", "--out", package, "--image", IMAGE, *demo.options(), *named, *floor).returncode == 0
    versions = sorted((volume / "output" / "model").iterdir())
    refused = demo.run("simulate", package, "--volume", f"{CLAIM}={volume}", "--work-dir", tmp_path / "cluster")
    assert refused.returncode == 0, refused.stdout + refused.stderr
    assert f"{Node.AFFINITY_EVALUATOR}: cached" not in refused.stdout
    assert sorted((volume / "output" / "model").iterdir()) == versions
