"""Tell an observer when LocalDagRunner starts and ends a node.

LocalDagRunner has no hook; it logs both moments with the node id as the only argument. Listening to those two records
leaves TFX's own loop untouched: should a later TFX word them otherwise, progress is lost but never the run (a test
watches the wording).
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

STARTED: Final = "Component %s is running."
FINISHED: Final = "Component %s is finished."


class _Listener(logging.Handler):
    def __init__(self, observers: Mapping[str, Callable[[str], None]]) -> None:
        super().__init__(logging.INFO)
        self._observers = observers

    def emit(self, record: logging.LogRecord) -> None:
        for message, observe in self._observers.items():
            if record.msg == message and record.args:
                observe(str(next(iter(record.args))))


@contextmanager
def observe_nodes(started: Callable[[str], None], finished: Callable[[str], None]) -> Iterator[None]:
    """Tell of every node that runs inside the block.

    Args:
        started: Called with the id of a node that starts.
        finished: Called with the id of a node that ended without an error.
    """
    from absl import logging as absl_logging

    logger = absl_logging.get_absl_logger()
    listener = _Listener({STARTED: started, FINISHED: finished})
    verbosity = absl_logging.get_verbosity()
    logger.addHandler(listener)
    # Through absl, not the logger: TensorFlow Transform silences absl for a while, then restores what absl reports.
    absl_logging.set_verbosity(absl_logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(listener)
        absl_logging.set_verbosity(verbosity)
