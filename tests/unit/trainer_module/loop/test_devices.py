"""Which strategy trains, and that several devices, or several workers, give the losses of one."""

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer_module.loop.devices import _strategy, choose_precision, choose_strategy, is_chief
from trainer_module.loop.train import TrainingData

ROOT = Path(__file__).parents[4]
MODEL = {"depth": 8, "num_heads": 2, "num_layers": 1, "max_length": 24, "dropout_rate": 0.2, "ecfp_branch": True}
TRAINING = {"batch_size": 63, "epochs": 2, "bucket_boundaries": [12], "device": "cpu"}
# All stages that the request names, one after the other in one process, as `belka run` trains them.
TRAIN_ON_DEVICES = """
import json, logging, sys
from pathlib import Path
import tensorflow as tf
from belka.errors import BelkaError
from trainer_module.export.saved_model import save_model
from trainer_module.settings import parse_run_settings
from trainer_module.loop.step import Steps
from trainer_module.loop.train import TrainingData, train
logging.basicConfig(level=logging.INFO, filename=sys.argv[2])
request = json.loads(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * request["devices"])
rows, gradients = set(), Steps._gradients  # of each part of a batch that a device gets
Steps._gradients = lambda *given: (rows.add(given[2].shape[0]), gradients(*given))[1]
if request["alone"]:  # what a worker does whose gradients never meet those of the others
    tf.distribute.ReplicaContext.all_reduce = lambda self, operation, values: values
start, stages = None, {}
for mode in request["modes"]:
    folder = Path(request["log_dir"]) / mode
    data = TrainingData(tuple(request["train"]), tuple(request["eval"]), tuple(request["vocabulary"]), start)
    try:
        result = train(parse_run_settings({**request["run"], "mode": mode}), data, log_dir=folder)
    except BelkaError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    start = folder / "model"
    start.mkdir(parents=True, exist_ok=True)
    save_model(start, result.stored)
    weights = [weight.tolist() for weight in result.stored.model.get_weights()]
    stages[mode] = {"history": result.history, "weights": weights}
print(json.dumps({"stages": stages, "rows": sorted(rows)}))
"""
STAGES = ("mlm", "fps", "clf")


def start(
    devices: int, data: TrainingData, folder: Path, *, worker: str = "", alone: bool = False, **training: Any
) -> "subprocess.Popen[str]":
    settings = {**TRAINING, **training}
    request = {
        "devices": devices,
        "alone": alone,
        "modes": STAGES,
        "run": {"model": MODEL, "checkpoint_root": str(folder), "training": settings},
        "train": data.train_files,
        "eval": data.eval_files,
        "vocabulary": data.vocabulary,
        "log_dir": str(folder),
    }
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN_ON_DEVICES, json.dumps(request), str(folder / "log")],
        env={**os.environ, "PYTHONPATH": str(ROOT), **({"TF_CONFIG": worker} if worker else {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_workers(
    data: TrainingData, folder: Path, *, of_one: dict[str, Any] | None = None, **training: Any
) -> list["subprocess.Popen[str]"]:
    """Start two workers; `of_one` are other settings of worker 1."""
    with ExitStack() as stack:  # both are open at once, so that they differ
        sockets = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(2)]
        addresses = [f"localhost:{server.getsockname()[1]}" for server in sockets]
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}} for index in range(2)]
    return [
        start(
            1, data, folder / f"worker-{index}", worker=json.dumps(task), **training, **(of_one or {} if index else {})
        )
        for index, task in enumerate(tasks)
    ]


def finish(process: "subprocess.Popen[str]") -> dict[str, Any]:
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors[-3000:]
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def assert_equal_training(one: dict[str, Any], other: dict[str, Any], *, rtol: float, atol: float) -> None:
    for mode in STAGES:
        first, second = one["stages"][mode], other["stages"][mode]
        for score in ("loss", "val_loss"):
            scores = [[entry[score] for entry in result["history"]] for result in (first, second)]
            np.testing.assert_allclose(scores[1], scores[0], rtol=rtol)
        for weight, same in zip(first["weights"], second["weights"], strict=True):
            np.testing.assert_allclose(same, weight, atol=atol)


def best_is_not_last(result: dict[str, Any]) -> bool:
    losses = [entry["val_loss"] for entry in result["stages"]["clf"]["history"]]
    return losses.index(min(losses)) < len(losses) - 1


def test_two_devices_train_all_stages_as_one_does(training_data: TrainingData, tmp_path: Path) -> None:
    one, two = (finish(start(n, training_data, tmp_path / str(n), xla="off")) for n in (1, 2))
    assert_equal_training(one, two, rtol=1e-6, atol=1e-6)
    # 256 molecules in batches of 63: one row of zeros fills up the second half of each.
    assert (one["rows"], two["rows"]) == ([63], [32])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_more_than_a_hundred_steps_a_stage_and_the_best_validation_early(
    training_data: TrainingData, tmp_path: Path
) -> None:
    long: dict[str, Any] = {"epochs": 25, "learning_rate": 0.02, "xla": "off", "patience": 25}
    one, two = (finish(start(n, training_data, tmp_path / str(n), **long)) for n in (1, 2))
    assert one["stages"]["clf"]["history"][-1]["step"] == 125
    assert best_is_not_last(one)
    # Adam divides by the size of gradients: a difference of 1e-7 in the first step has grown by the 125th.
    assert_equal_training(one, two, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_compiled_by_xla_two_devices_train_as_one_does(training_data: TrainingData, tmp_path: Path) -> None:
    one, two = (finish(start(n, training_data, tmp_path / str(n), xla="on")) for n in (1, 2))
    assert_equal_training(one, two, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_workers_train_all_stages_as_one_does(training_data: TrainingData, tmp_path: Path) -> None:
    one = finish(start(1, training_data, tmp_path / "one", xla="off"))
    first, second = map(finish, start_workers(training_data, tmp_path, xla="off"))
    assert first == second
    assert first["rows"] == [32]
    assert_equal_training(one, first, rtol=1e-6, atol=1e-6)
    digests = [
        re.findall(r"The weights of the best validation: (SHA-256 \w+)", (tmp_path / f"worker-{i}" / "log").read_text())
        for i in range(2)
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) == len(STAGES)
    assert list(tmp_path.glob("worker-0/*/step-*")), "the chief writes checkpoints"
    assert not list(tmp_path.glob("worker-1/*/step-*")), "only the chief writes checkpoints"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_workers_whose_gradients_never_meet_train_something_else(training_data: TrainingData, tmp_path: Path) -> None:
    one = finish(start(1, training_data, tmp_path / "one", xla="off"))
    first, _ = map(finish, start_workers(training_data, tmp_path, xla="off", alone=True))
    with pytest.raises(AssertionError):
        assert_equal_training(one, first, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_workers_that_were_started_for_different_trainings_are_refused(
    training_data: TrainingData, tmp_path: Path
) -> None:
    workers = start_workers(training_data, tmp_path, xla="off", of_one={"learning_rate": 0.002})
    errors = [worker.communicate(timeout=600)[1] for worker in workers]
    assert "The workers were not started for the same training." in errors[1]
    assert workers[1].returncode == 2
    assert workers[0].returncode, "worker 0 does not train alone"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("killed", [0, 1])
def test_after_the_death_of_either_worker_a_restart_of_both_goes_on(
    training_data: TrainingData, tmp_path: Path, killed: int
) -> None:
    settings: dict[str, Any] = {"xla": "off", "checkpoint_every_steps": 1, "epochs": 3}
    undisturbed = finish(start(1, training_data, tmp_path / "one", **settings))
    workers = start_workers(training_data, tmp_path, **settings)
    while not list(tmp_path.glob("worker-0/fps-*/step-*")):
        assert all(worker.poll() is None for worker in workers)
        time.sleep(0.2)
    workers[killed].kill()
    codes = [worker.wait(timeout=600) for worker in workers]
    assert codes[killed] == -signal.SIGKILL
    # Without worker 0, which keeps the list of workers, TensorFlow may end the process of the others by itself.
    assert codes[1 - killed] in ((75,) if killed else (75, -signal.SIGABRT))
    first, second = map(finish, start_workers(training_data, tmp_path, **settings))
    assert first["stages"] == second["stages"]
    assert "Continuing at epoch" in (tmp_path / "worker-1" / "log").read_text()
    assert_equal_training(undisturbed, first, rtol=1e-6, atol=1e-6)


def test_a_process_has_one_strategy() -> None:
    assert choose_strategy("cpu") is choose_strategy("cpu")


def test_one_device_needs_no_mirrors() -> None:
    strategy = choose_strategy("cpu")
    assert strategy.num_replicas_in_sync == 1
    assert is_chief(strategy)
    assert choose_precision("auto", strategy) == "float32"
    assert choose_precision("mixed_bfloat16", strategy) == "mixed_bfloat16"


def test_a_missing_gpu_is_a_clear_warning(caplog: pytest.LogCaptureFixture) -> None:
    if tf.config.list_logical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    _strategy.cache_clear()
    with caplog.at_level(logging.WARNING):
        strategy = choose_strategy("gpu")
    assert "TensorFlow sees no GPU: training on the CPU" in caplog.text
    assert "CPU" in strategy.extended.worker_devices[0]


def test_tf_config_with_several_workers_makes_a_multi_worker_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    _strategy.cache_clear()
    monkeypatch.setattr(
        tf.distribute, "MultiWorkerMirroredStrategy", lambda: "several workers"
    )  # the real one waits for b
    assert choose_strategy("auto") == "several workers"
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}})
    )
    assert choose_strategy("auto") != "several workers"
    _strategy.cache_clear()
