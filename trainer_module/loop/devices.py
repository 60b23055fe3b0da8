"""Which devices train, in which precision, and how a batch is spread over them."""

import json
import logging
import os
from typing import Any, Final, Literal

import tensorflow as tf

logger = logging.getLogger(__name__)

_BFLOAT16_CAPABILITY: Final = 8  # CUDA compute capability (Ampere) that brought bfloat16 units


def choose_strategy(device: Literal["auto", "cpu", "gpu"]) -> Any:
    """Pick the distribution strategy.

    `MultiWorkerMirroredStrategy` when TF_CONFIG names several workers, `MirroredStrategy` when this machine shows
    several devices of the wanted kind, one device otherwise.

    Args:
        device: `auto` takes GPUs if there are any; `gpu` falls back to the CPU with a warning.

    Returns:
        A `tf.distribute.Strategy`.
    """
    workers = json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {}).get("worker", [])
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
    """Cut a batch into equal parts, one per replica.

    Args:
        strategy: The strategy.
        batch: Nested tensors whose first dimension is a multiple of the number of replicas.

    Returns:
        The batch itself for one replica, else per-replica values; every worker cuts the same global batch.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batch

    def part(context: Any) -> Any:
        def cut(values: Any) -> Any:
            rows = values.shape[0] // replicas
            start = context.replica_id_in_sync_group * rows
            return values[start : start + rows]

        return tf.nest.map_structure(cut, batch)

    return strategy.experimental_distribute_values_from_function(part)
