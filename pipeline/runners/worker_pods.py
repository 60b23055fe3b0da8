"""Pods that train one model together: who is who, and what each runs.

A Job with an index, or a TrainJob of Kubeflow's Trainer, starts the same command in every pod and tells each its index;
TensorFlow wants the addresses of all in TF_CONFIG. The pod of index 0 writes the results; the others read the dataset
that is described in its metadata, and keep what they write to themselves.
"""

import json
import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from belka.contract import METADATA_FILE
from belka.errors import InputError
from pipeline.runners.metadata_store import copy_store

MOST_WORKERS: Final = 10_000  # far more than train one model; each is told the addresses of all
_LAST_PORT: Final = 65_535
_DIGITS: Final = 6  # more than a port has, and Python reads no number of thousands of digits
INDEX_MARK: Final = "{index}"  # stands for the index in the pattern of the pods' addresses
FAREWELL_SECONDS: Final = 60.0
_BETWEEN_TRIALS: Final = 0.5  # seconds

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerPod:
    """One of the pods.

    Args:
        index: Its index, 0 <= index < n_workers.
        n_workers: Pods that train together, >= 1.
        address: Host and port of each, with `{index}` in the place of its index.

    Raises:
        InputError: The three do not fit together.
    """

    index: int
    n_workers: int
    address: str

    def __post_init__(self) -> None:
        """Check what the platform gave."""
        if not 1 <= self.n_workers <= MOST_WORKERS:
            raise InputError(
                "The number of workers is none that can train together.",
                received=str(self.n_workers),
                expected=f"1 to {MOST_WORKERS}",
                action="Correct --workers (WORKERS): the Job's completions, the TrainJob's numNodes.",
            )
        if not 0 <= self.index < self.n_workers:
            raise InputError(
                "The index of this worker is not one of the workers'.",
                received=f"index {self.index} of {self.n_workers}",
                expected=f"an index from 0 to {self.n_workers - 1}",
                action="Give --workers (WORKERS) the number of pods: the Job's completions, the TrainJob's numNodes.",
            )
        host, _, port = self.address.rpartition(":")
        last = port.replace(INDEX_MARK, str(self.n_workers - 1))  # the highest of all
        whole = host and last.isascii() and last.isdecimal() and 0 < int(last[:_DIGITS]) <= _LAST_PORT
        if not whole or (self.n_workers > 1 and INDEX_MARK not in self.address):
            raise InputError(
                "The address of the workers names no port, or the same one for all of them.",
                received=self.address,
                expected=f"HOST:PORT with {INDEX_MARK} where the index of a pod stands",
                action="Correct --address (WORKER_ADDRESS), for example belka-workers-{index}.belka-workers:2222.",
            )

    @property
    def is_chief(self) -> bool:
        """Whether this pod writes the results."""
        return self.index == 0

    @property
    def addresses(self) -> list[str]:
        """Of all pods, by index."""
        return [self.address.replace(INDEX_MARK, str(index)) for index in range(self.n_workers)]

    def tf_config(self) -> str:
        """TF_CONFIG of this pod; the list of workers is TensorFlow's, its first writes checkpoints."""
        return json.dumps({"cluster": {"worker": self.addresses}, "task": {"type": "worker", "index": self.index}})


def copy_metadata(output_dir: Path, own_dir: Path) -> None:
    """Give a worker that writes no results the metadata of those that are there.

    Two pods must not write to one SQLite file on a shared volume, and a file that is being written must not be copied
    byte by byte: SQLite makes the copy.

    Args:
        output_dir: Output directory of worker 0.
        own_dir: Output directory of this worker; what an earlier start left there is replaced.

    Raises:
        InputError: There is no dataset.
    """
    source = output_dir / METADATA_FILE
    if not source.is_file():
        raise InputError(
            "There is no dataset to train on.",
            received=str(output_dir),
            expected=f"the output directory of a run that made the dataset, with {METADATA_FILE}",
            action="Run `belka run --to make_dataset` on this volume first.",
        )
    own_dir.mkdir(parents=True, exist_ok=True)
    copy_store(source, own_dir / METADATA_FILE)


def wait_for_farewell(others: Sequence[str], *, seconds: float = FAREWELL_SECONDS) -> None:
    """Wait until the other workers are gone: the first one keeps TensorFlow's list of them as long as it lives.

    Args:
        others: Their addresses.
        seconds: How long at most; one that still runs then may be ended by TensorFlow, and finds its work done.
    """
    end = time.monotonic() + seconds
    for address in others:
        while _is_there(address):
            if time.monotonic() > end:
                logger.warning("The worker at %s still runs %.0f s after the training.", address, seconds)
                return
            time.sleep(_BETWEEN_TRIALS)


def _is_there(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_BETWEEN_TRIALS).close()
    except OSError:
        return False
    return True
