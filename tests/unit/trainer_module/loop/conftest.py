"""Training in processes of its own: on several virtual devices, or as two workers that find each other by TF_CONFIG."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainer_module.loop.train import TrainingData

ROOT = Path(__file__).parents[4]
STAGES = ("mlm", "fps", "clf")
MODEL = {"depth": 8, "num_heads": 2, "num_layers": 1, "max_length": 24, "dropout_rate": 0.2, "ecfp_branch": True}
TRAINING = {"batch_size": 63, "epochs": 2, "bucket_boundaries": [12], "device": "cpu", "xla": "off"}
# What a process can be asked for, see train_on_devices.py.
REQUEST: dict[str, Any] = {
    "devices": 1,
    "model": MODEL,
    "modes": STAGES,
    "start": None,  # exported model that the first stage starts from
    "transform_graph": None,  # with it, the stages are exported as TFX's Trainer does
    "slow_export": 0.0,  # seconds
    "pause": None,  # stage, step, seconds
    "wait": 120.0,  # seconds for the other workers
    "alone": False,
}
Process = subprocess.Popen[str]


class Trainings:
    """Starts processes that train on the same data, and ends what is left of them.

    Args:
        data: What they train on.
        folder: For their files; each has a folder of its own name in it.
    """

    def __init__(self, data: TrainingData, folder: Path) -> None:
        self.folder = folder
        self._data = data
        self._started: list[Process] = []

    def start(self, name: str, *, tf_config: str = "", **asked: Any) -> Process:
        """Start one process.

        Args:
            name: Its folder.
            tf_config: Its TF_CONFIG.
            **asked: Keys of `REQUEST`, or training settings.
        """
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        request = {key: asked.pop(key, value) for key, value in REQUEST.items()}
        training = {**TRAINING, **asked}
        run = {"model": request.pop("model"), "checkpoint_root": str(folder), "training": training}
        request |= {"run": run, "log_dir": str(folder), "vocabulary": self._data.vocabulary}
        request |= {"train": self._data.train_files, "eval": self._data.eval_files}
        process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("train_on_devices.py")),
                json.dumps(request, default=str),
                f"{folder}/log",
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT), **({"TF_CONFIG": tf_config} if tf_config else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def start_workers(self, *, of_one: dict[str, Any] | None = None, **settings: Any) -> list[Process]:
        """Start two workers; `of_one` are other settings of worker 1."""
        configs = self.tf_configs()
        return [self.start_worker(i, configs, **{**settings, **(of_one or {} if i else {})}) for i in range(2)]

    def start_worker(self, index: int, configs: Sequence[str], **settings: Any) -> Process:
        """Start one of the workers that `configs` name."""
        return self.start(f"worker-{index}", tf_config=configs[index], **settings)

    def log(self, name: str) -> str:
        """What a process logged so far."""
        path = self.folder / name / "log"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def end(self) -> None:
        """Kill what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    @staticmethod
    def tf_configs() -> list[str]:
        """TF_CONFIG of two workers at free ports."""
        with ExitStack() as stack:  # both are open at once, so that they differ
            sockets = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(2)]
            addresses = [f"localhost:{server.getsockname()[1]}" for server in sockets]
        tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}} for index in range(2)]
        return [json.dumps(task) for task in tasks]

    @staticmethod
    def finish(process: Process) -> dict[str, Any]:
        """The results of a process that ends well."""
        output, errors = process.communicate(timeout=1800)
        assert process.returncode == 0, errors[-3000:]
        result: dict[str, Any] = json.loads(output.splitlines()[-1])
        return result

    @staticmethod
    def assert_equal_training(one: dict[str, Any], other: dict[str, Any], *, rtol: float, atol: float) -> None:
        assert one["stages"].keys() == other["stages"].keys()
        for mode, first in one["stages"].items():
            second = other["stages"][mode]
            for score in ("loss", "val_loss"):
                scores = [[entry[score] for entry in result["history"]] for result in (first, second)]
                np.testing.assert_allclose(scores[1], scores[0], rtol=rtol, err_msg=f"{mode} {score}")
            for weight, same in zip(first["weights"], second["weights"], strict=True):
                np.testing.assert_allclose(same, weight, atol=atol, err_msg=mode)


@pytest.fixture
def trainings(training_data: TrainingData, tmp_path: Path) -> Iterator[Trainings]:
    found = Trainings(training_data, tmp_path)
    yield found
    found.end()
