"""Compiled for Kubeflow, the pipeline has a real Flink run what is of Beam: it sees the volume, nothing of the pods."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import statistics_pb2

from belka.contract import Node
from pipeline.runners.kubeflow.pipeline_file import read_pipeline
from pipeline.runners.kubeflow.simulator.launcher import run_subprocess
from pipeline.runners.kubeflow.simulator.run import Simulation, TaskResult, TaskState, simulate
from tests.e2e.conftest import SMALL, run_belka

pytestmark = [pytest.mark.flink, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
JARS = ROOT / ".flink" / "jars"
IMAGE = "registry.example/belka@sha256:" + "0" * 64
CLAIM = "belka-data"
ALONE = ("unshare", "--map-root-user", "--mount")


class Flink:
    """A Flink whose processes see an empty folder in the place of that of the simulated cluster.

    Attributes:
        options: What `beam.options` says to use it.
        log: What the job server and the Flink in it say.
    """

    def __init__(self, options: str, log: Path) -> None:
        self.options, self.log = options, log


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """The folder of the simulated cluster: buckets, pods, logs."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    return folder


@pytest.fixture
def flink(cluster: Path) -> Iterator[Flink]:
    if shutil.which("java") is None:
        pytest.skip("there is no Java")
    if not JARS.is_dir():
        pytest.skip("the jars of the job server are absent; `make flink-jars` fetches them")
    if subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine gives no mount namespace (unshare --map-root-user --mount)")
    hide = ("sh", "-c", 'mount -t tmpfs hidden "$0" && exec "$@"', str(cluster))
    # By name: pods of a cluster cannot ask `localhost`.
    session = (sys.executable, "-m", "pipeline.runners.flink.session", "--jars", JARS, "--host", socket.gethostname())
    with subprocess.Popen([*ALONE, *hide, *map(str, session)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready, use = process.stdout.readline(), process.stdout.readline()
        logs, options = re.search(r"logs in ([^;]+);", ready), re.search(r"'(beam\.options=.*)'", use)
        assert logs, ready
        assert options, use
        yield Flink(options[1], Path(logs[1]) / "job-server.log")
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _examples(folder: Path) -> dict[str, list[bytes]]:
    """Every record of an Examples artifact by file, in its order."""
    records: dict[str, list[bytes]] = {}
    for path in sorted(folder.glob("Split-*/data_tfrecord-*")):
        compression = "GZIP" if path.suffix == ".gz" else ""
        dataset = tf.data.TFRecordDataset(str(path), compression_type=compression)
        records[str(path.relative_to(folder))] = list(dataset.as_numpy_iterator())
    return records


def _counts(file: Path) -> dict[str, tuple[int, int]]:
    """Feature -> how many molecules have it and how many lack it, from a file of statistics."""
    statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes())
    found: dict[str, tuple[int, int]] = {}
    for feature in statistics.datasets[0].features:
        common = getattr(feature, feature.WhichOneof("stats")).common_stats
        found[".".join(feature.path.step) or feature.name] = (common.num_non_missing, common.num_missing)
    return found


class EndOnce:
    """Runs containers; the first one of some tasks gets a signal as soon as the log of Flink says that its job runs.

    Attributes:
        exit_codes: Task -> the code that its container then ended with.
    """

    def __init__(self, signals: Mapping[str, signal.Signals], log: Path) -> None:
        self.signals, self.log = signals, log
        self.exit_codes: dict[str, int] = {}

    def __call__(self, command: Sequence[str], environment: Mapping[str, str], pod: Path, log: Path) -> int:
        task, _, attempt = log.stem.rpartition("-")
        if task not in self.signals or attempt != "1":
            return run_subprocess(command, environment, pod, log)
        running = re.compile(rf"Job belka-\S*{task}\S* .* switched from state CREATED to RUNNING")
        with (
            log.open("wb") as stream,
            subprocess.Popen(
                command, env=dict(environment), cwd=pod, stdout=stream, stderr=subprocess.STDOUT
            ) as process,
        ):
            while process.poll() is None and not running.search(self.log.read_text(encoding="utf-8")):
                time.sleep(0.1)
            process.send_signal(self.signals[task])
        self.exit_codes[task] = process.returncode
        return process.returncode


class Cluster:
    """The pipeline of a configuration, compiled for Kubeflow with Beam on Flink, and a way to run tasks of it."""

    def __init__(self, flink: Flink, folder: Path, raw: Path, options: Sequence[str]) -> None:
        self.flink, self.folder, self.volume = flink, folder, folder.parent / "volume"
        shutil.copytree(raw, self.volume / "data")
        package = folder.parent / "pipeline.yaml"
        values = ("data.raw_digest=demo-1", "data.raw_dir=data", "data.output_dir=output", "beam.runner=PortableRunner")
        settings = [word for value in (*values, flink.options) for word in ("--set", value)]
        compiled = run_belka("compile", "--out", package, "--image", IMAGE, *options, *settings)
        assert compiled.returncode == 0, compiled.stderr
        self.pipeline = read_pipeline(package)

    def run(self, tasks: Collection[str], end: EndOnce) -> dict[str, TaskResult]:
        """Run some tasks. All of them must succeed."""
        kept = tuple(task for task in self.pipeline.tasks if task.name in tasks)
        simulation = Simulation(work_dir=self.folder, volumes={CLAIM: self.volume}, run_container=end)
        results = simulate(replace(self.pipeline, tasks=kept), simulation)
        assert {result.state for result in results} == {TaskState.SUCCEEDED}
        assert {result.name for result in results if result.attempts == 2} == end.exit_codes.keys()
        assert list((self.volume / "output" / "beam").iterdir()) == []
        return {result.name: result for result in results}

    def jobs(self, task: str) -> list[str]:
        """How the jobs of a task ended on Flink."""
        ended = rf"Job belka-\S*{task}\S* .* switched from state \S+ to (FINISHED|CANCELED|FAILED)"
        return re.findall(ended, self.flink.log.read_text(encoding="utf-8"))


@pytest.mark.timeout(3000)
def test_what_pods_have_flink_make_is_that_of_the_local_run(tmp_path: Path, cluster: Path, flink: Flink) -> None:
    raw, output = tmp_path / "raw", tmp_path / "local"
    for command in (
        ("make-demo-data", "--molecules", "300", "--out", raw),
        ("run", *SMALL, "--raw-dir", raw, "--output-dir", output),
    ):
        done = run_belka(*command)
        assert done.returncode == 0, done.stdout + done.stderr
    pods = Cluster(flink, cluster, raw, SMALL)
    # One as a pod that is drained, one as a pod that is lost.
    end = EndOnce({Node.MOLECULE_TRANSFORM: signal.SIGTERM, Node.BULK_INFERRER: signal.SIGKILL}, flink.log)
    results = pods.run([task.name for task in pods.pipeline.tasks], end)
    assert end.exit_codes == {Node.MOLECULE_TRANSFORM: 143, Node.BULK_INFERRER: -signal.SIGKILL}
    # The job server counts the first job as cancelled; Flink ends it at the first file of its folder that is gone.
    cancelled, finished = pods.jobs(Node.MOLECULE_TRANSFORM)
    assert cancelled in ("CANCELED", "FAILED")
    assert finished == "FINISHED"
    assert "Canceling job invocation" in flink.log.read_text(encoding="utf-8")
    assert pods.jobs(Node.STATISTICS_GEN) == ["FINISHED"]
    assert pods.jobs(Node.BULK_INFERRER)[-1] == "FINISHED"
    (local,) = (output / "pipeline_root" / Node.MOLECULE_TRANSFORM / "examples").iterdir()
    assert _examples(results[Node.MOLECULE_TRANSFORM].outputs["examples"]) == _examples(local)
    (local,) = (output / "pipeline_root" / Node.STATISTICS_GEN / "statistics").iterdir()
    found = results[Node.STATISTICS_GEN].outputs["statistics"]
    counted = {str(path.relative_to(found)): _counts(path) for path in sorted(found.glob("Split-*/*"))}
    assert {name.partition("/")[0] for name in counted} == {"Split-train", "Split-validation", "Split-test"}
    assert counted == {str(path.relative_to(local)): _counts(path) for path in sorted(local.glob("Split-*/*"))}
    submission = results[Node.SUBMISSION_WRITER].outputs["submission"] / "submission.csv"
    assert submission.read_bytes() == (output / "submission.csv").read_bytes()
