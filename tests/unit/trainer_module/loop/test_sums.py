"""Sums of two terms in the steps as TensorFlow runs them, and so equal bytes on several threads."""

from collections.abc import Callable, Iterator
from typing import Self

import pytest
import tensorflow as tf
from tensorflow.python.eager import context  # the public doors to what runs write it to TensorBoard's files

from trainer_module.loop import train
from trainer_module.loop.sums import gradients_of, sums_stay_apart
from trainer_module.loop.train import TrainingResult


class Ran:
    """Collects the graphs that TensorFlow ran, after its own optimizers."""

    def __enter__(self) -> Self:
        context.enable_run_metadata()
        return self

    def __exit__(self, *_: object) -> None:
        self._metadata = context.export_run_metadata()
        context.disable_run_metadata()

    def sums(self) -> Iterator[int]:
        """Number of terms of each AddN."""
        for graphs in self._metadata.function_graphs:
            graph = graphs.post_optimization_graph
            for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
                yield from (sum(name[0] != "^" for name in node.input) for node in nodes if node.op == "AddN")


@pytest.mark.parametrize(("mode", "rows_at_once"), [("mlm", 64), ("mtr", 16), ("fps", 16), ("clf", 16)])
def test_no_sum_of_a_training_has_three_terms(
    train_small: Callable[..., TrainingResult], monkeypatch: pytest.MonkeyPatch, mode: str, rows_at_once: int
) -> None:
    model = {"ecfp_branch": True, "ecfp_hidden": 4}
    monkeypatch.setattr(train, "CPU_HEAD_ROWS", 2 * rows_at_once)  # of two heads
    with Ran() as ran:
        train_small(mode=mode, model=model, training={"epochs": 1, "steps_per_epoch": 1})
    assert max(ran.sums()) == 2


def uses(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.sin(values) + tf.cos(values) + tf.exp(values) + values)


def test_gradients_are_those_of_the_tape() -> None:
    used, unused = tf.Variable([0.5, -1.0]), tf.Variable([3.0])
    with tf.GradientTape() as tape:
        loss = uses(used)
    gradient, zero = tf.function(lambda: gradients_of(uses(used), [used, unused]))()
    tf.debugging.assert_near(gradient, tape.gradient(loss, used))
    assert zero.numpy().tolist() == [0.0]


def test_the_process_goes_on_as_before() -> None:
    step = tf.function(lambda values: tf.gradients(uses(values), values)[0])
    with sums_stay_apart():
        assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False
    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is True
    with Ran() as ran:
        step(tf.ones(3))
    assert max(ran.sums()) > 2, "or this file's search would find nothing anywhere"
