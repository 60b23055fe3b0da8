"""An engine outside the pods: what is refused before anything is sent, and which tasks use it."""

from typing import Any

import pytest

from belka.errors import InputError
from pipeline.config.settings import BeamSettings
from pipeline.runners.kubeflow.engine import check_engine, send_to_engine

WORKERS = ("--environment_type=EXTERNAL", "--environment_config=localhost:50000")
SERVER = "--job_endpoint=beam-job-server:8099"


def _beam(*options: str, runner: str = "PortableRunner") -> BeamSettings:
    return BeamSettings.model_validate({"runner": runner, "options": options})


@pytest.mark.parametrize(
    "options",
    [
        (SERVER, *WORKERS),
        (SERVER, "--artifact_endpoint=beam-job-server:8098", *WORKERS),
        ("--job_endpoint", "10.0.0.7:8099", *WORKERS),
        ("--job_endpoint=[fd00::7]:8099", *WORKERS),
    ],
)
def test_an_engine_that_pods_reach_passes(options: tuple[str, ...]) -> None:
    check_engine(_beam(*options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (WORKERS, r"address of Beam's job server is missing[\s\S]*without --job_endpoint"),
        (("--job_endpoint=beam-job-server", *WORKERS), r"address is malformed"),
        (("--job_endpoint=localhost:8099", *WORKERS), r"asks itself[\s\S]*--job_endpoint=localhost:8099"),
        (("--job_endpoint=127.0.0.2:8099", *WORKERS), r"asks itself"),
        (("--job_endpoint=[::1]:8099", *WORKERS), r"asks itself"),
        (("--job_endpoint=0.0.0.0:8099", *WORKERS), r"asks itself"),
        ((SERVER, "--artifact_endpoint=localhost:8098", *WORKERS), r"asks itself[\s\S]*artifact_endpoint"),
        ((SERVER,), r"workers would not be those of this project[\s\S]*--environment_type=None"),
        ((SERVER, "--environment_type=EXTERNAL"), r"--environment_config=None"),
        (
            (SERVER, "--environment_type=DOCKER", "--environment_config=apache/beam_python3.11_sdk:2.62.0"),
            r"workers would not be those of this project[\s\S]*beam_python3.11_sdk:2.62.0",
        ),
        ((SERVER, "--environment_type=LOOPBACK"), r"workers would not be those of this project"),
    ],
)
def test_an_engine_that_cannot_work_is_refused_with_what_to_do(options: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_engine(_beam(*options))
    assert "k8s/overlays/flink" in caught.value.action


@pytest.mark.parametrize("runner", ["FlinkRunner", "SparkRunner", "DataflowRunner"])
def test_a_runner_that_starts_a_job_server_of_its_own_is_refused(runner: str) -> None:
    with pytest.raises(InputError, match=rf"beam.runner: {runner}[\s\S]*local or PortableRunner"):
        check_engine(_beam(SERVER, *WORKERS, runner=runner))


def test_only_the_named_tasks_use_the_engine() -> None:
    local = ["--runner=FnApiRunner", "--direct_running_mode=in_memory", "--direct_num_workers=2"]

    def executor() -> dict[str, Any]:
        return {"container": {"args": ["--executor_class_path", "a.B", *local]}}

    spec: dict[str, Any] = {
        "root": {"dag": {"tasks": {name: {"componentRef": {"name": name}} for name in ("make", "count")}}},
        "components": {name: {"executorLabel": name} for name in ("make", "count")},
        "deploymentSpec": {"executors": {name: executor() for name in ("make", "count")}},
    }
    send_to_engine(spec, ["count", "absent"], ["--runner=PortableRunner", SERVER], "/mnt/belka/output/beam")
    arguments = {name: each["container"]["args"] for name, each in spec["deploymentSpec"]["executors"].items()}
    assert arguments["make"] == ["--executor_class_path", "a.B", *local]
    engine = ["--shared_folder", "/mnt/belka/output/beam", "--runner=PortableRunner", SERVER]
    assert arguments["count"] == ["--executor_class_path", "a.B", *engine]
