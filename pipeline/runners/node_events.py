"""Tell an observer when LocalDagRunner starts and ends a node.

LocalDagRunner has no hook; it logs both moments with the node id as the only argument. Listening to those two records leaves TFX's
own loop untouched: should a later TFX word them otherwise, progress is lost but never the run (a test watches the wording).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

STARTED: Final = "Component %s is running."
FINISHED: Final = "Component %s is finished."


class NodeObserver(Protocol):
    """What wants to know of nodes."""

    def node_started(self, node: str) -> None:
        """A node starts."""

    def node_finished(self, node: str) -> None:
        """A node ended without an error."""


class _Listener(logging.Handler):
    def __init__(self, observer: NodeObserver) -> None:
        super().__init__(logging.INFO)
        self._observer = observer

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == STARTED and record.args:
            self._observer.node_started(str(next(iter(record.args))))
        elif record.msg == FINISHED and record.args:
            self._observer.node_finished(str(next(iter(record.args))))


@contextmanager
def observe_nodes(observer: NodeObserver) -> Iterator[None]:
    """Call the observer for every node that runs inside the block."""
    from absl import logging as absl_logging

    logger = absl_logging.get_absl_logger()
    listener = _Listener(observer)
    verbosity = absl_logging.get_verbosity()
    logger.addHandler(listener)
    # Through absl, not the logger: TensorFlow Transform silences absl for a while and then restores the verbosity absl reports.
    absl_logging.set_verbosity(absl_logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(listener)
        absl_logging.set_verbosity(verbosity)
