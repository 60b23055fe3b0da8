"""Several processes that train one model (TF_CONFIG): they start together, share what the chief holds, end together.

What tf.distribute can do decides the rules. The workers meet once, when all of them start, and a worker that is gone
never comes back to those that stay: they end with exit code 75. One that is started again by itself finds no training
to join: it waits for the others to be started as well, and ends with 75 where they are not. All of them started again
continue from the chief's last checkpoint.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from belka.errors import RunAgainError

logger = logging.getLogger(__name__)

WAIT_SECONDS: Final = 1800  # for the others at the start: the machines of a cluster do not come at once
_BETWEEN_TRIALS: Final = 1.0  # seconds
_GREETING: Final = b"belka worker\n"
# What a collective operation raises when another worker is gone; which of them depends on who notices first.
_LOST_WORKER: Final = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


def tf_config() -> str:
    """TF_CONFIG, by which TensorFlow names the processes that train together; an empty object where there is none."""
    return os.environ.get("TF_CONFIG", "{}")


def count_workers(config: str) -> int:
    """Number of workers that a TF_CONFIG names."""
    return sum(map(len, _jobs(config).values()))


def several_workers() -> bool:
    """Return whether TF_CONFIG names other processes that train the same model."""
    return count_workers(tf_config()) > 1


def join_workers(config: str) -> Any:
    """Meet the other workers.

    Args:
        config: TF_CONFIG.

    Returns:
        A `tf.distribute.MultiWorkerMirroredStrategy`.

    Raises:
        RunAgainError: If not all of them come within `WAIT_SECONDS`, or one knows a training that is lost.
    """
    jobs, task = _jobs(config), json.loads(config)["task"]
    first, *others = [address for addresses in jobs.values() for address in addresses]
    logger.info("Training on %d workers (TF_CONFIG); waiting for all of them.", count_workers(config))
    with explained_loss_of_worker():
        own = jobs[task["type"]][task["index"]]
        if own == first:
            _call(others)
        else:
            _wait_for_call(own)
        _limit_wait(jobs)
        return tf.distribute.MultiWorkerMirroredStrategy()


def is_chief(strategy: Any) -> bool:
    """Return whether this process writes checkpoints and results (one process does)."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    leads = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return bool(resolver.task_type == leads and resolver.task_id == 0)


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
        raise _lost(f"{type(error).__name__}: {str(error).splitlines()[0]}") from error


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


def wait_for_workers(strategy: Any) -> None:
    """Wait until every worker has come here: none ends, or tells anyone that it is done, before all are.

    A worker that ends first takes the list of workers, or its part of the sums, with it; and where a worker is started
    again after another ended well, it would wait for that one in vain.

    Args:
        strategy: The strategy.

    Raises:
        RunAgainError: If another worker is gone.
    """
    if several_workers():
        with explained_loss_of_worker():
            _summed(strategy, np.ones(1, np.int32))


def _jobs(config: str) -> dict[str, list[str]]:
    """Address of each worker, by job; the chief's first."""
    cluster = json.loads(config).get("cluster", {})
    return {job: cluster[job] for job in ("chief", "worker") if cluster.get(job)}


def _lost(received: str) -> RunAgainError:
    return RunAgainError(
        "Another worker is gone, and the training cannot go on without it.",
        received=received,
        expected="all workers of TF_CONFIG to the end",
        action="Start all workers again with the same command: they continue from worker 0's last checkpoint.",
    )


def _call(addresses: Sequence[str]) -> None:
    """Wait, as the chief, until each of the others stands at its door.

    TensorFlow's chief waits for them without end, in a call that no signal and no thread can leave; and an open port
    may be that of a worker which still belongs to a training that is lost.

    Raises:
        RunAgainError: If one does not answer in time.
    """
    end = time.monotonic() + WAIT_SECONDS
    for address in addresses:
        while not _answers(address):
            if time.monotonic() > end:
                raise _lost(f"{address} did not answer within {WAIT_SECONDS} s")
            time.sleep(_BETWEEN_TRIALS)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=_BETWEEN_TRIALS) as chief:
            chief.sendall(_GREETING)
            return chief.recv(len(_GREETING)) == _GREETING
    except OSError:
        return False


def _wait_for_call(address: str) -> None:
    """Wait, as another worker, for the chief's call at the port that TensorFlow takes afterwards.

    Raises:
        RunAgainError: If no call comes in time, or the port is taken.
    """
    end = time.monotonic() + WAIT_SECONDS
    try:
        with socket.create_server(("", int(address.rpartition(":")[2]))) as door:
            while (left := end - time.monotonic()) > 0:
                door.settimeout(left)
                caller, _ = door.accept()
                with caller:
                    caller.settimeout(_BETWEEN_TRIALS)
                    if _greeted(caller):
                        return
    except OSError as error:
        raise _lost(f"no call from worker 0 within {WAIT_SECONDS} s at {address}: {error}") from error
    raise _lost(f"no call from worker 0 within {WAIT_SECONDS} s at {address}")


def _greeted(caller: socket.socket) -> bool:
    try:
        greeted = caller.recv(len(_GREETING)) == _GREETING
        if greeted:
            caller.sendall(_GREETING)
    except OSError:
        return False
    return greeted


def _limit_wait(jobs: Mapping[str, Sequence[str]]) -> None:
    """Configure TensorFlow's list of workers as the strategy itself would, but that it waits `WAIT_SECONDS` at most.

    Without the barrier only a worker's own entry in the list is limited: a chief whose call was answered would wait
    without end for one that died before its entry.
    """
    # TensorFlow offers no public door to this setting; where it moves, the strategy waits its hour.
    from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
    from tensorflow.python.eager import context

    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{next(iter(jobs))}/replica:0/task:0",
        cluster_register_timeout_in_ms=round(WAIT_SECONDS * 1000),
        coordinated_jobs=[CoordinatedJob(name=job, num_tasks=len(addresses)) for job, addresses in jobs.items()],
    )
    context.context().coordination_service.cluster_register_with_barrier = True


def _summed(strategy: Any, values: NDArray[np.int32]) -> NDArray[np.int32]:
    """The sum over workers; only the first replica of each contributes."""

    def replica(values: Any) -> Any:
        context = tf.distribute.get_replica_context()
        here = context.replica_id_in_sync_group % strategy.extended._num_devices_per_worker == 0  # noqa: SLF001
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(here, values, tf.zeros_like(values)))

    summed = tf.function(lambda given: strategy.run(replica, args=(given,)), autograph=False)(tf.constant(values))
    result: NDArray[np.int32] = strategy.experimental_local_results(summed)[0].numpy()
    return result
