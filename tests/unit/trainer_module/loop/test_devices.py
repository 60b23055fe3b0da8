"""Which strategy trains, and that several devices, or several workers, give the losses of one."""

import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tensorflow as tf

from trainer_module.loop.devices import _strategy, choose_precision, choose_strategy
from trainer_module.loop.workers import is_chief

if TYPE_CHECKING:
    from tests.unit.trainer_module.loop.conftest import Trainings

STAGES = ("mlm", "fps", "clf")
# Of a batch of 63; a row of zeros fills up the second half.
HALVES = [[*range(32)], [*range(32, 63), 0]]


def best_is_not_last(result: dict[str, Any], mode: str) -> bool:
    losses = [entry["val_loss"] for entry in result["stages"][mode]["history"]]
    return losses.index(min(losses)) < len(losses) - 1


def test_two_devices_train_all_stages_as_one_does(trainings: "Trainings") -> None:
    one, two = (trainings.finish(trainings.start(str(n), devices=n)) for n in (1, 2))
    trainings.assert_equal_training(one, two, rtol=1e-6, atol=1e-6)
    assert (one["rows"], two["rows"]) == ([63], [32])
    assert two["parts"] == HALVES


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_in_double_precision_more_than_a_hundred_steps_a_stage_are_the_same_on_all(trainings: "Trainings") -> None:
    settings: dict[str, Any] = {
        "precision": "float64",
        "model": {"max_length": 24, "dropout_rate": 0.2, "ecfp_branch": True},  # else as it comes
        "epochs": 21,
        "learning_rate": 0.01,
        "patience": 21,
        "bucket_boundaries": [24],  # one shape: tracing takes longer than training
        "monitor": "val_loss",
    }
    one, two = (trainings.finish(trainings.start(str(n), devices=n, **settings)) for n in (1, 2))
    first, second = map(trainings.finish, trainings.start_workers(**settings))
    assert {mode: one["stages"][mode]["history"][-1]["step"] for mode in STAGES} == dict.fromkeys(STAGES, 105)
    # Both hand weights on to the next stage that are not their last ones.
    assert best_is_not_last(one, "mlm")
    assert best_is_not_last(one, "fps")
    trainings.assert_equal_training(one, two, rtol=1e-9, atol=1e-9)
    trainings.assert_equal_training(one, first, rtol=1e-9, atol=1e-9)
    assert first["stages"] == second["stages"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_compiled_by_xla_two_devices_train_as_one_does(trainings: "Trainings") -> None:
    one, two = (trainings.finish(trainings.start(str(n), devices=n, xla="on")) for n in (1, 2))
    trainings.assert_equal_training(one, two, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_workers_train_all_stages_as_one_does(trainings: "Trainings") -> None:
    one = trainings.finish(trainings.start("one"))
    first, second = map(trainings.finish, trainings.start_workers())
    assert first["stages"] == second["stages"]
    assert first["rows"] == [32]
    assert first["parts"] + second["parts"] == HALVES, "each worker reads its half of the rows"
    trainings.assert_equal_training(one, first, rtol=1e-6, atol=1e-6)
    digests = [
        re.findall(r"The weights of the best validation: (SHA-256 \w+)", trainings.log(f"worker-{i}")) for i in range(2)
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) == len(STAGES)
    assert list(trainings.folder.glob("worker-0/*/step-*")), "the chief writes checkpoints"
    assert not list(trainings.folder.glob("worker-1/*/step-*")), "only the chief writes checkpoints"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_workers_export_through_run_fn_what_one_process_does(trainings: "Trainings", transform_graph: Path) -> None:
    one = trainings.finish(trainings.start("one", transform_graph=transform_graph))
    first, second = map(trainings.finish, trainings.start_workers(transform_graph=transform_graph))
    assert first["stages"] == second["stages"]
    trainings.assert_equal_training(one, first, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_workers_whose_gradients_never_meet_train_something_else(trainings: "Trainings") -> None:
    one = trainings.finish(trainings.start("one"))
    first, _ = map(trainings.finish, trainings.start_workers(alone=True))
    with pytest.raises(AssertionError):
        trainings.assert_equal_training(one, first, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_stage_after_another_in_one_process_is_the_same_bits_in_a_process_of_its_own(trainings: "Trainings") -> None:
    both = trainings.finish(trainings.start("both", modes=("mlm", "fps")))
    start = trainings.folder / "both" / "mlm" / "model"
    alone = trainings.finish(trainings.start("fresh", modes=("fps",), start=start))
    assert both["stages"]["fps"] == alone["stages"]["fps"]


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


def test_tf_config_with_one_worker_makes_no_multi_worker_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert not isinstance(choose_strategy("cpu"), tf.distribute.MultiWorkerMirroredStrategy)
