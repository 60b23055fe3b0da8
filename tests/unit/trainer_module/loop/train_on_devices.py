"""A process that trains stages one after the other, as `belka run` does: on several devices, or as one of the workers.

The first argument is the request (`REQUEST` of conftest.py), the second the log; the results go to standard output.
"""

import json
import logging
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from belka.errors import BelkaError
from trainer_module import run_fn
from trainer_module.export.export import export_model
from trainer_module.export.saved_model import load_model, save_model
from trainer_module.loop import workers
from trainer_module.loop.devices import choose_strategy, spread
from trainer_module.loop.step import Steps
from trainer_module.loop.train import TrainingData, train
from trainer_module.settings import parse_run_settings

logger = logging.getLogger(__name__)
REQUEST = json.loads(sys.argv[1])
PATCH = pytest.MonkeyPatch()
BATCH = REQUEST["run"]["training"]["batch_size"]


def note_rows() -> set[int]:
    """Note how many rows of a batch a device gets."""
    rows: set[int] = set()
    gradients = Steps._gradients

    def noted(*given: Any) -> Any:
        rows.add(given[2].shape[0])
        return gradients(*given)

    PATCH.setattr(Steps, "_gradients", noted)
    return rows


def pause(mode: str, step: int, seconds: float) -> None:
    """Hold this process up, in Python, at a step of a stage."""
    original = Steps.train

    def slow(self: Steps, inputs: Any, labels: Any, row_weight: Any, number: int) -> Any:
        if number == step and type(self._loss).__name__ == {"mlm": "CategoricalLoss", "fps": "BinaryLoss"}[mode]:
            logger.info("Held up at step %d.", step)
            time.sleep(seconds)
        return original(self, inputs, labels, row_weight, number)

    PATCH.setattr(Steps, "train", slow)


def train_and_save(mode: str, start: Path | None) -> tuple[Path, dict[str, Any]]:
    """Train a stage without its export."""
    folder = Path(REQUEST["log_dir"]) / mode
    data = TrainingData(tuple(REQUEST["train"]), tuple(REQUEST["eval"]), tuple(REQUEST["vocabulary"]), start)
    result = train(parse_run_settings({**REQUEST["run"], "mode": mode}), data, log_dir=folder)
    (folder / "model").mkdir(parents=True, exist_ok=True)
    save_model(folder / "model", result.stored)
    weights = [weight.tolist() for weight in result.stored.model.get_weights()]
    return folder / "model", {"history": result.history, "weights": weights}


def train_and_export(mode: str, start: Path | None) -> tuple[Path, dict[str, Any]]:
    """Train a stage through `run_fn`, which TFX's Trainer calls, export included."""
    folder = Path(REQUEST["log_dir"]) / mode

    def slow_export(*given: Any) -> None:
        time.sleep(REQUEST["slow_export"])
        export_model(*given)
        logger.info("Exported.")

    PATCH.setattr(run_fn, "export_model", slow_export)
    run_fn.run_fn(
        SimpleNamespace(
            train_files=REQUEST["train"],
            eval_files=REQUEST["eval"],
            transform_output=REQUEST["transform_graph"],
            base_model=start,
            serving_model_dir=str(folder / "model"),
            model_run_dir=str(folder),
            custom_config={**REQUEST["run"], "mode": mode},
        )
    )
    weights = [weight.tolist() for weight in load_model(folder / "model").model.get_weights()]
    return folder / "model", {"history": [], "weights": weights}


def main() -> None:
    """Train what the request says, and print the results."""
    logging.basicConfig(level=logging.INFO, filename=sys.argv[2])
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * REQUEST["devices"])
    PATCH.setattr(workers, "WAIT_SECONDS", REQUEST["wait"])
    if REQUEST["alone"]:  # what a worker does whose gradients never meet those of the others
        whole = tf.distribute.ReplicaContext.all_reduce
        # Gradients are lists; what workers tell each other before they train is not, and must still meet.
        PATCH.setattr(
            tf.distribute.ReplicaContext,
            "all_reduce",
            lambda context, operation, values: (
                values if isinstance(values, list) else whole(context, operation, values)
            ),
        )
    if REQUEST["pause"]:
        pause(*REQUEST["pause"])
    rows = note_rows()
    train_stage = train_and_export if REQUEST["transform_graph"] else train_and_save
    start = Path(REQUEST["start"]) if REQUEST["start"] else None
    stages = {}
    for mode in REQUEST["modes"]:
        try:
            start, stages[mode] = train_stage(mode, start)
        except BelkaError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(error.exit_code)
    strategy = choose_strategy("cpu")
    parts = strategy.experimental_local_results(spread(strategy, tf.range(BATCH)))
    found = {"stages": stages, "rows": sorted(rows), "parts": [part.numpy().tolist() for part in parts]}
    sys.stdout.write(json.dumps(found))


main()
