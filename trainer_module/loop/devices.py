"""Which devices train, in which precision, and how a batch is spread over them."""

import logging
from functools import cache
from typing import Any, Final, Literal

import tensorflow as tf

from trainer_module.loop.workers import count_workers, join_workers, tf_config
from trainer_module.settings import Precision

logger = logging.getLogger(__name__)

_BFLOAT16_CAPABILITY: Final = 8  # CUDA compute capability (Ampere) that brought bfloat16 units


def choose_strategy(device: Literal["auto", "cpu", "gpu"]) -> Any:
    """Pick the distribution strategy: one for each process, whatever the number of stages it trains.

    A second strategy would count its collective operations from the start again, and meet those of the first.

    `MultiWorkerMirroredStrategy` when TF_CONFIG names several workers, `MirroredStrategy` when this machine shows
    several devices of the wanted kind, one device otherwise.

    Args:
        device: `auto` takes GPUs if there are any; `gpu` falls back to the CPU with a warning.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        RunAgainError: If not all workers come.
    """
    return _strategy(device, tf_config())


@cache
def _strategy(device: str, config: str) -> Any:
    if count_workers(config) > 1:
        return join_workers(config)
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


def choose_precision(precision: Precision, strategy: Any) -> str:
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
