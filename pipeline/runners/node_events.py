"""Tell an observer when LocalDagRunner starts a node, serves it from the cache, and ends it.

LocalDagRunner has no hook; it logs these moments, with the node id as the only argument. Listening to these records
leaves TFX's own loop untouched: should a later TFX word them otherwise, progress is lost but never the run (a test
watches the wording).
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

STARTED: Final = "Component %s is running."
CACHED: Final = "A cached execution %d is used."
FINISHED: Final = "Component %s is finished."


class _Listener(logging.Handler):
    def __init__(self, observers: Mapping[str, Callable[[str], None]]) -> None:
        super().__init__(logging.INFO)
        self._observers = observers
        self._node = ""

    def emit(self, record: logging.LogRecord) -> None:
        observe = self._observers.get(str(record.msg))
        if observe is None or not record.args:
            return
        if record.msg != CACHED:  # which names an execution
            self._node = str(next(iter(record.args)))
        observe(self._node)


@contextmanager
def observe_nodes(
    started: Callable[[str], None], finished: Callable[[str], None], cached: Callable[[str], None]
) -> Iterator[None]:
    """Tell of every node that runs inside the block.

    Args:
        started: Called with the id of a node that starts.
        finished: Called with the id of a node that ended without an error.
        cached: Called, between the two, with the id of a node that the cache serves.
    """
    from absl import logging as absl_logging

    logger = absl_logging.get_absl_logger()
    listener = _Listener({STARTED: started, FINISHED: finished, CACHED: cached})
    verbosity = absl_logging.get_verbosity()
    logger.addHandler(listener)
    # Through absl, not the logger: TensorFlow Transform silences absl for a while, then restores what absl reports.
    absl_logging.set_verbosity(absl_logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(listener)
        absl_logging.set_verbosity(verbosity)
