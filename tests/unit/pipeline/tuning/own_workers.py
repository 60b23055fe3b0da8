"""What stands in the process that scores in place of its work; the process itself imports it."""

import os
import time
from multiprocessing.connection import Connection

from belka.workers import WorkerPool, end_with_parent


def add_in_processes(pipe: Connection, parent: int, level: int) -> None:
    """Answer with the sum of what a worker of its own computes, as a large library's merge does, and its id."""
    del level
    end_with_parent(parent)
    with WorkerPool(1) as pool:
        numbers = list(pool.map(abs, pipe.recv()))
        pipe.send(("scored", {"sum": float(sum(numbers)), "worker": float(pool.submit(os.getpid).result())}))
        time.sleep(600)
