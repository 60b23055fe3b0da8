"""Two pods of the shipped manifests, as processes: they train all stages, survive a death, and equal one pod."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
import pytest
import yaml

from belka.contract import HISTORY_FILE, METRICS_FILE, SUBMISSION_FILE
from belka.models.champion import read_champion
from tests.e2e.conftest import BELKA, REPOSITORY, run_belka

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

STAGES = ("mlm", "fps", "clf")
CONFIG: dict[str, Any] = {
    "model": {"depth": 8, "num_heads": 2, "num_layers": 1, "ecfp_branch": True, "members": ["transformer", "linear"]},
    "training": {
        "stages": list(STAGES),
        "batch_size": 32,
        "epochs": 3,
        "bucket_boundaries": [128],
        "xla": "off",
        "device": "cpu",
        "precision": "float64",  # Adam lets the rounding of float32 grow
        "checkpoint_every_steps": 1,
    },
    "ensemble": {"rounds": 2},
    "system": {"n_workers": 1},
}


def _container(overlay: str) -> dict[str, Any]:
    """What the pods of an overlay run."""
    folder = REPOSITORY / "k8s" / "overlays" / overlay
    for path in sorted(folder.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if document.get("kind") not in {"Job", "TrainingRuntime"}:
                continue
            template = document["spec"]["template"]
            if document["kind"] == "TrainingRuntime":
                template = template["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
            (container,) = template["spec"]["containers"]
            return dict(container)
    raise AssertionError(overlay)


def _free_pair() -> int:
    """A number to which a 0 and a 1 can be appended to give two free ports."""
    for stem in range(2001, 6000):
        try:
            for digit in range(2):
                socket.create_server(("", 10 * stem + digit)).close()
        except OSError:
            continue
        return stem
    raise AssertionError("no free ports")


@dataclass
class Pods:
    """Starts the container of an overlay as a kubelet would, with folders of the test in the place of volumes."""

    volume: Path
    scratch: Path
    container: dict[str, Any]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, index: int, stem: int, **variables: str) -> "subprocess.Popen[str]":
        told = {variable["name"]: variable["value"] for variable in self.container["env"]} | variables
        assert told["WORKER_ADDRESS"].count("{index}") == 1
        told["WORKER_ADDRESS"] = f"localhost:{stem}{{index}}"  # in the place of the cluster's names
        places = {"/mnt/belka": self.volume, "/etc/belka": self.volume, "/work": self.scratch / str(index)}
        arguments = []
        for argument in self.container["args"]:
            mount = next((place for place in places if argument.startswith(f"{place}/")), None)
            arguments.append(f"{places[mount]}{argument.removeprefix(mount)}" if mount else argument)
        process = subprocess.Popen(
            [str(BELKA), *arguments],
            env={**os.environ, **told, "JOB_COMPLETION_INDEX": str(index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """A volume with the dataset, as `belka run --to make_dataset` leaves it."""
    volume = tmp_path / "volume"
    made = run_belka("make-demo-data", "--molecules", "300", "--out", volume / "data")
    assert made.returncode == 0, made.stderr
    config = CONFIG | {"data": {"raw_dir": str(volume / "data"), "output_dir": str(volume / "output")}}
    config["data"] |= {"validation_block_share": 0.06, "validation_shared_share": 0.05}
    (volume / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    made = run_belka("run", "--config", volume / "config.yaml", "--to", "make_dataset")
    assert made.returncode == 0, made.stdout + made.stderr
    return volume


@pytest.fixture
def pods(volumes: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pods]:
    found = Pods(volumes, tmp_path / "scratch", _container(request.param))
    yield found
    for process in found.started:
        process.kill()
        process.communicate()


def _end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=900)
    return process.returncode, output


def _wait(true: Callable[[], object], *processes: "subprocess.Popen[str]") -> None:
    while not true():
        assert all(process.poll() is None for process in processes), [p.communicate()[0] for p in processes]
        time.sleep(0.05)


def _histories(output: Path) -> dict[str, list[dict[str, float]]]:
    """The scores of each validation, by stage."""
    found = {}
    for stage in STAGES:
        files = sorted(output.glob(f"pipeline_root/**/trainer-{stage}/model_run/*/{HISTORY_FILE}"))
        found[stage] = json.loads(files[-1].read_text(encoding="utf-8"))
    return found


def _assert_equal(output: Path, other: Path) -> None:
    ours, theirs = _histories(output), _histories(other)
    for stage in STAGES:
        assert len(ours[stage]) == len(theirs[stage]) == CONFIG["training"]["epochs"]
        for name in ("loss", "val_loss"):
            values = [[scores[name] for scores in found[stage]] for found in (ours, theirs)]
            np.testing.assert_allclose(values[0], values[1], rtol=1e-9, err_msg=f"{stage} {name}")
        assert all(before["step"] < after["step"] for before, after in pairwise(ours[stage]))
    tables = [pyarrow.csv.read_csv(folder / SUBMISSION_FILE) for folder in (output, other)]
    assert tables[0]["id"] == tables[1]["id"]
    np.testing.assert_allclose(tables[0]["binds"].to_numpy(), tables[1]["binds"].to_numpy(), atol=1e-6)


@pytest.mark.parametrize("pods", ["train-multi-worker", "trainer"], indirect=True)
def test_two_pods_end_with_a_pushed_model_and_equal_one_pod_whichever_dies(pods: Pods, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    shutil.copytree(pods.volume, dataset)

    code, output = _end(pods.start(0, _free_pair(), WORKERS="1"))
    assert code in {0, 3}, output
    alone = tmp_path / "alone"
    pods.volume.rename(alone)

    for killed in range(2):
        shutil.copytree(dataset, pods.volume)
        shutil.rmtree(pods.scratch, ignore_errors=True)
        both = [pods.start(index, stem) for stem in (_free_pair(),) for index in range(2)]
        _wait(lambda: list(pods.volume.glob("output/**/fps-*/step-*")), *both)
        both[killed].send_signal(signal.SIGKILL)
        survivor, output = _end(both[1 - killed])
        # Without worker 0, which keeps the list of workers, TensorFlow may end the process of the others by itself.
        assert survivor == 75 or (killed == 0 and survivor == -signal.SIGABRT), output
        assert not (pods.volume / "output" / SUBMISSION_FILE).exists()

        both = [pods.start(index, stem) for stem in (_free_pair(),) for index in range(2)]
        (first, output), (second, output_1) = map(_end, both)
        assert second == 0, output_1
        assert first == code, output
        results = pods.volume / "output"
        _assert_equal(results, alone / "output")
        verdict = json.loads((results / METRICS_FILE).read_text(encoding="utf-8"))["evaluation"]["verdict"]
        assert (read_champion(results / "model") is not None) == verdict["blessed"] == (first == 0)
        assert not (pods.scratch / "1" / "output" / SUBMISSION_FILE).exists()
        shutil.rmtree(pods.volume)
