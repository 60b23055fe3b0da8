"""One training step and one validation step, compiled once for each batch shape."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import tensorflow as tf
from einops import rearrange

from belka.errors import RunAgainError
from trainer_module.layers.seeds import fold_in, from_row
from trainer_module.loop.devices import pad_rows, spread
from trainer_module.loop.sums import gradients_of
from trainer_module.losses.weighted_loss import WeightedLoss
from trainer_module.model import Belka

logger = logging.getLogger(__name__)

_STEP_SALT: Final = 0x5EED


class Steps:
    """The compiled steps of a run.

    Class weights come from the labels of the whole batch, before it is cut into micro-batches or spread over replicas;
    gradients of the parts add up, dropout is drawn by the number of a row in the batch, and rows that fill up the last
    part have no weight. So the loss does not depend on how the work is cut.

    Args:
        model: Built model, its optimizer built too, both made in the strategy's scope.
        loss: The stage's loss.
        optimizer: Keras optimizer.
        strategy: Where the replicas live.
        seed: Seed of dropout.
        xla: Whether to compile with XLA.
        clip_norm: Most global norm of the gradient; None leaves it.
        micro_batch: Rows whose activations are alive at once on a device (a CPU keeps them in its cache); None: all.
    """

    def __init__(
        self,
        model: Belka,
        loss: WeightedLoss,
        optimizer: Any,
        *,
        strategy: Any,
        seed: int,
        xla: bool,
        clip_norm: float | None,
        micro_batch: int | None,
    ) -> None:
        self._model = model
        self._loss = loss
        self._optimizer = optimizer
        self._strategy = strategy
        self._replicas = strategy.num_replicas_in_sync
        self._clip_norm = clip_norm
        self._micro_batch = micro_batch
        self._seed = tf.constant([seed, _STEP_SALT], tf.uint32)
        self._weights = tf.function(loss.weights, jit_compile=xla, autograph=False)
        self._xla = xla
        self._compile()

    def _compile(self) -> None:
        self._single = tf.function(self._single_step, jit_compile=self._xla, autograph=False)
        self._multiple = tf.function(self._multiple_step, autograph=False)
        self._predict = tf.function(self._predict_step, jit_compile=self._xla, autograph=False)
        self._predict_all = tf.function(self._predict_replicas, autograph=False)

    def train(self, inputs: dict[str, Any], labels: Any, row_weight: Any, step: int) -> Any:
        """Update the model once.

        Args:
            inputs: Inputs of the model, first dimension the batch.
            labels: Labels of the stage.
            row_weight: Float [batch].
            step: Number of the step since the start of the run; decides on dropout.

        Returns:
            The loss before the update, a scalar tensor (regularisation included).

        Raises:
            RunAgainError: The memory of a device holds not even one row, or that of one of several.
        """
        number = tf.constant(step, tf.uint32)
        while True:
            try:
                if self._replicas == 1:
                    return self._single(inputs, labels, row_weight, number)
                weights = self._weights(labels, row_weight)
                return self._multiple(*spread(self._strategy, (inputs, labels, weights)), number)
            except tf.errors.ResourceExhaustedError as error:
                self._take_smaller_parts(labels.shape[0], error)

    def _take_smaller_parts(self, rows: int, error: Exception) -> None:
        """Halve the micro-batch, which changes nothing but the memory; several replicas cannot agree on that."""
        size = min(self._micro_batch or rows, rows)
        if size == 1 or self._replicas > 1:
            raise RunAgainError(
                "A device has no memory left for a training step.",
                received=f"{rows} molecules in a batch, {size} at once on each of {self._replicas} devices",
                expected="room for the activations of a part of a batch",
                action="Set a smaller training.batch_size, max_length or depth, or take a device with more memory.",
            ) from error
        self._micro_batch = -(-size // 2)
        logger.warning("The device is out of memory: %d molecules at once from here on, same maths.", self._micro_batch)
        self._compile()

    def validate(self, inputs: dict[str, Any], labels: Any, row_weight: Any) -> tuple[Any, Any]:
        """Predict without dropout.

        Args:
            inputs: Inputs of the model.
            labels: Labels of the stage.
            row_weight: Float [batch].

        Returns:
            The loss, a scalar tensor (without regularisation), and the predictions [batch, ...].
        """
        weights = self._weights(labels, row_weight)
        if self._replicas == 1:
            loss, predictions = self._predict(inputs, labels, weights)
            return loss, predictions
        losses, predictions = self._predict_all(*spread(self._strategy, (inputs, labels, weights)))
        total = self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)
        return total, self._strategy.gather(predictions, axis=0)[: labels.shape[0]]

    def _single_step(self, inputs: dict[str, Any], labels: Any, row_weight: Any, number: Any) -> Any:
        weights = self._loss.weights(labels, row_weight)
        loss, gradients = self._gradients(inputs, labels, weights, fold_in(self._seed, number))
        self._optimizer.apply(self._clip(gradients), self._model.trainable_variables)
        return loss

    def _multiple_step(self, inputs: Any, labels: Any, weights: Any, number: Any) -> Any:
        def replica(inputs: dict[str, Any], labels: Any, weights: Any) -> Any:
            context = tf.distribute.get_replica_context()
            seed = from_row(fold_in(self._seed, number), context.replica_id_in_sync_group * labels.shape[0])
            loss, gradients = self._compiled_here(self._gradients, inputs, labels, weights, seed)
            # Clipping needs the gradient of the whole batch; the optimizer adds up its replicas' gradients once more.
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
            gradients = [gradient / self._replicas for gradient in self._clip(gradients)]
            self._optimizer.apply(gradients, self._model.trainable_variables)
            return loss

        losses = self._strategy.run(replica, args=(inputs, labels, weights))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _predict_step(self, inputs: dict[str, Any], labels: Any, weights: Any) -> tuple[Any, Any]:
        predictions = self._model(inputs, training=False)
        return tf.reduce_sum(weights * self._loss.terms(labels, predictions)), predictions

    def _predict_replicas(self, *batch: Any) -> Any:
        return self._strategy.run(partial(self._compiled_here, self._predict_step), args=batch)

    def _compiled_here(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Compile for the replica that asks: a function shared by replicas would read the variables of one of them."""
        return tf.function(function, jit_compile=self._xla, autograph=False)(*arguments)

    def _clip(self, gradients: list[Any]) -> list[Any]:
        if self._clip_norm is None:
            return gradients
        clipped: list[Any] = tf.clip_by_global_norm(gradients, self._clip_norm)[0]
        return clipped

    def _gradients(self, inputs: dict[str, Any], labels: Any, weights: Any, seed: Any) -> tuple[Any, list[Any]]:
        """Return this replica's share of the loss and of its gradient."""
        rows = labels.shape[0]
        parts = -(-rows // self._micro_batch) if self._micro_batch else 1
        if parts == 1:
            return self._part_gradients((inputs, labels, weights), seed, share=1.0 / self._replicas)
        size = -(-rows // parts)
        cut = tf.nest.map_structure(
            lambda values: rearrange(pad_rows(values, parts * size), "(parts rows) ... -> parts rows ...", parts=parts),
            (inputs, labels, weights),
        )

        def body(number: Any, loss: Any, gradients: list[Any]) -> tuple[Any, Any, list[Any]]:
            part = tf.nest.map_structure(lambda values: values[number], cut)
            share = 1.0 / (parts * self._replicas)
            part_loss, part_gradients = self._part_gradients(part, from_row(seed, number * size), share=share)
            return number + 1, loss + part_loss, [a + b for a, b in zip(gradients, part_gradients, strict=True)]

        zeros = [tf.zeros(variable.shape, variable.dtype) for variable in self._model.trainable_variables]
        _, loss, gradients = tf.while_loop(
            lambda number, *_: number < parts,
            body,
            (tf.constant(0), tf.zeros((), self._loss.dtype), zeros),
            maximum_iterations=parts,
        )
        return loss, gradients

    def _part_gradients(
        self, part: tuple[dict[str, Any], Any, Any], seed: Any, *, share: float
    ) -> tuple[Any, list[Any]]:
        """Return loss and gradient of one part; `share` is its share of the regularisation."""
        inputs, labels, weights = part
        predictions = self._model(inputs, training=True, seed=seed)
        loss = tf.reduce_sum(weights * self._loss.terms(labels, predictions))
        for penalty in self._model.losses:
            loss += share * penalty
        return loss, gradients_of(loss, [variable.value for variable in self._model.trainable_variables])
