"""Which devices train, in which precision, and how a batch is spread over them."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from belka.errors import RunAgainError

logger = logging.getLogger(__name__)

_BFLOAT16_CAPABILITY: Final = 8  # CUDA compute capability (Ampere) that brought bfloat16 units
# What a collective operation raises when another worker is gone; which of them depends on who notices first.
_LOST_WORKER: Final = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


def choose_strategy(device: Literal["auto", "cpu", "gpu"]) -> Any:
    """Pick the distribution strategy: one for each process, whatever the number of stages it trains.

    A second strategy would count its collective operations from the start again, and meet those of the first.

    `MultiWorkerMirroredStrategy` when TF_CONFIG names several workers, `MirroredStrategy` when this machine shows
    several devices of the wanted kind, one device otherwise.

    Args:
        device: `auto` takes GPUs if there are any; `gpu` falls back to the CPU with a warning.

    Returns:
        A `tf.distribute.Strategy`.
    """
    return _strategy(device, os.environ.get("TF_CONFIG", "{}"))


@cache
def _strategy(device: str, tf_config: str) -> Any:
    workers = json.loads(tf_config).get("cluster", {}).get("worker", [])
    if len(workers) > 1:
        logger.info("Training on %d workers (TF_CONFIG).", len(workers))
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = [] if device == "cpu" else tf.config.list_logical_devices("GPU")
    if device == "gpu" and not gpus:
        logger.warning(
            "training.device is gpu, but TensorFlow sees no GPU: training on the CPU, many times slower. "
            "Check the driver, the container's GPU request, and that the CUDA lock file was installed."
        )
    devices = [item.name for item in gpus or tf.config.list_logical_devices("CPU")]
    if len(devices) > 1:
        logger.info("Training on %d devices: %s.", len(devices), ", ".join(devices))
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.OneDeviceStrategy(devices[0])


def choose_precision(precision: Literal["auto", "float32", "mixed_bfloat16"], strategy: Any) -> str:
    """Resolve `auto`.

    Args:
        precision: The setting.
        strategy: Strategy whose devices count.

    Returns:
        `mixed_bfloat16` if every device is a GPU with bfloat16 units, else `float32`; or the setting itself.
    """
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    on_gpu = bool(gpus) and any("GPU" in name for name in strategy.extended.worker_devices)
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    modern = all(item.get("compute_capability", (0,))[0] >= _BFLOAT16_CAPABILITY for item in details)
    return "mixed_bfloat16" if on_gpu and modern else "float32"


def is_chief(strategy: Any) -> bool:
    """Return whether this process writes checkpoints and results (one process does)."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    return bool(resolver.task_type == "chief" or (resolver.task_type == "worker" and resolver.task_id == 0))


def spread(strategy: Any, batch: Any) -> Any:
    """Cut a batch into equal parts, one per replica; rows of zeros fill the last one up.

    Args:
        strategy: The strategy.
        batch: Nested tensors with the same number of rows.

    Returns:
        The batch itself for one replica, else per-replica values; every worker cuts the same global batch.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batch

    def part(context: Any) -> Any:
        def cut(values: Any) -> Any:
            rows = -(-values.shape[0] // replicas)
            start = context.replica_id_in_sync_group * rows
            return pad_rows(values, rows * replicas)[start : start + rows]

        return tf.nest.map_structure(cut, batch)

    return strategy.experimental_distribute_values_from_function(part)


def pad_rows(values: Any, rows: int) -> Any:
    """Add rows of zeros to a tensor until it has `rows`."""
    missing = rows - values.shape[0]
    return tf.pad(values, [[0, missing]] + [[0, 0]] * (values.shape.rank - 1)) if missing else values


def several_workers() -> bool:
    """Return whether TF_CONFIG names other processes that train the same model."""
    return len(json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {}).get("worker", [])) > 1


@contextmanager
def explained_loss_of_worker() -> Iterator[None]:
    """Say so where the training in the block ends because another worker is gone.

    Raises:
        RunAgainError: In place of what a collective operation raised.
    """
    try:
        yield
    except _LOST_WORKER as error:
        if not several_workers():
            raise
        raise RunAgainError(
            "Another worker is gone, and the training cannot go on without it.",
            received=f"{type(error).__name__}: {str(error).splitlines()[0]}",
            expected="all workers of TF_CONFIG to the end",
            action="Start all workers again with the same command: they continue from worker 0's last checkpoint.",
        ) from error


def from_chief(strategy: Any, content: bytes) -> bytes:
    """What the chief holds, on every worker; each must call it at the same point.

    Args:
        strategy: The strategy.
        content: Any bytes; those of other workers than the chief are not looked at.
    """
    if not several_workers():
        return content
    own = np.frombuffer(content, np.uint8).astype(np.int32) if is_chief(strategy) else np.zeros(0, np.int32)
    size = int(_summed(strategy, np.array([own.size], np.int32))[0])
    if not size:  # reducing an empty tensor ends the process (TensorFlow 2.21)
        return b""
    return bytes(_summed(strategy, np.pad(own, (0, size - own.size))).astype(np.uint8))


def _summed(strategy: Any, values: NDArray[np.int32]) -> NDArray[np.int32]:
    """The sum over workers; only the first replica of each contributes."""

    def replica(values: Any) -> Any:
        context = tf.distribute.get_replica_context()
        here = context.replica_id_in_sync_group % strategy.extended._num_devices_per_worker == 0  # noqa: SLF001
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(here, values, tf.zeros_like(values)))

    summed = tf.function(lambda given: strategy.run(replica, args=(given,)), autograph=False)(tf.constant(values))
    result: NDArray[np.int32] = strategy.experimental_local_results(summed)[0].numpy()
    return result
