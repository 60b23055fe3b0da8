"""Which strategy trains, and that several devices, or several workers, give the losses of one."""

import json
import logging
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from trainer_module.loop.devices import choose_precision, choose_strategy, is_chief
from trainer_module.loop.train import TrainingData

ROOT = Path(__file__).parents[4]
MODEL = {"depth": 8, "num_heads": 2, "num_layers": 1, "max_length": 24, "dropout_rate": 0.0, "ecfp_branch": True}
TRAINING = {"batch_size": 64, "epochs": 2, "bucket_boundaries": [12], "device": "cpu"}
TRAIN_ON_DEVICES = """
import json, sys
from pathlib import Path
import tensorflow as tf
from trainer_module.settings import parse_run_settings
from trainer_module.loop.train import TrainingData, train
request = json.loads(sys.argv[1])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * request["devices"])
run = parse_run_settings(request["run"])
data = TrainingData(tuple(request["train"]), tuple(request["eval"]), tuple(request["vocabulary"]))
result = train(run, data, log_dir=Path(request["log_dir"]))
weights = [weight.tolist() for weight in result.stored.model.get_weights()]
print(json.dumps({"history": result.history, "weights": weights}))
"""


def start(
    devices: int, data: TrainingData, folder: Path, environment: dict[str, str], **config: Any
) -> "subprocess.Popen[str]":
    request = {
        "devices": devices,
        "run": {"model": MODEL, "checkpoint_root": str(folder), **config},
        "train": data.train_files,
        "eval": data.eval_files,
        "vocabulary": data.vocabulary,
        "log_dir": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN_ON_DEVICES, json.dumps(request)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> dict[str, Any]:
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors[-3000:]
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def assert_equal_training(one: dict[str, Any], other: dict[str, Any]) -> None:
    for score in ("loss", "val_loss"):
        np.testing.assert_allclose([s[score] for s in other["history"]], [s[score] for s in one["history"]], rtol=1e-5)
    for first, second in zip(one["weights"], other["weights"], strict=True):
        np.testing.assert_allclose(second, first, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "xla"),
    [
        ("clf", "off"),
        pytest.param("mlm", "off", marks=pytest.mark.slow),
        pytest.param("clf", "on", marks=pytest.mark.slow),
    ],
)
def test_two_devices_give_the_losses_of_one(mode: str, xla: str, training_data: TrainingData, tmp_path: Path) -> None:
    config = {"mode": mode, "training": {**TRAINING, "xla": xla}}
    one, two = (start(n, training_data, tmp_path / str(n), {}, **config) for n in (1, 2))
    assert_equal_training(finish(one), finish(two))


@pytest.mark.slow
def test_two_workers_give_the_losses_of_one(training_data: TrainingData, tmp_path: Path) -> None:
    config = {"mode": "clf", "training": {**TRAINING, "xla": "off"}}
    with ExitStack() as stack:  # both are open at once, so that they differ
        sockets = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(2)]
        addresses = [f"localhost:{server.getsockname()[1]}" for server in sockets]
    workers = [
        start(
            1,
            training_data,
            tmp_path / f"worker-{index}",
            {"TF_CONFIG": json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})},
            **config,
        )
        for index in range(2)
    ]
    results = [finish(worker) for worker in workers]
    one = finish(start(1, training_data, tmp_path / "one", {}, **config))
    assert_equal_training(one, results[0])
    for first, second in zip(results[0]["history"], results[1]["history"], strict=True):
        assert second == pytest.approx(first)
    assert list(tmp_path.glob("worker-0/*/step-*")), "the chief writes checkpoints"
    assert not list(tmp_path.glob("worker-1/*/step-*")), "only the chief writes checkpoints"


def test_one_device_needs_no_mirrors() -> None:
    strategy = choose_strategy("cpu")
    assert strategy.num_replicas_in_sync == 1
    assert is_chief(strategy)
    assert choose_precision("auto", strategy) == "float32"
    assert choose_precision("mixed_bfloat16", strategy) == "mixed_bfloat16"


def test_a_missing_gpu_is_a_clear_warning(caplog: pytest.LogCaptureFixture) -> None:
    if tf.config.list_logical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    with caplog.at_level(logging.WARNING):
        strategy = choose_strategy("gpu")
    assert "TensorFlow sees no GPU: training on the CPU" in caplog.text
    assert "CPU" in strategy.extended.worker_devices[0]


def test_tf_config_with_several_workers_makes_a_multi_worker_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    monkeypatch.setattr(
        tf.distribute, "MultiWorkerMirroredStrategy", lambda: "several workers"
    )  # the real one waits for b
    assert choose_strategy("auto") == "several workers"
    monkeypatch.setenv(
        "TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}})
    )
    assert choose_strategy("auto") != "several workers"
