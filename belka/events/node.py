"""The node that is at work in a process and in its children."""

import logging
import os
import resource
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from belka.environment import environment_variable
from belka.errors import BelkaError, explained
from belka.events.channel import emit
from belka.events.event import Event, State
from belka.interrupts import stop_of, stopped_error

VARIABLE: Final = "BELKA_NODE"


def present_node() -> str:
    """The id of the node that is at work; empty where none is."""
    return os.environ.get(VARIABLE, "")


@contextmanager
def node_at_work(node: str) -> Iterator[None]:
    """Tell that a node runs, and how it ended, with its warnings by kind and why it failed.

    Args:
        node: Node id.
    """
    warnings = WarningCounter()
    root = logging.getLogger()
    root.addHandler(warnings)
    with environment_variable(VARIABLE, node):
        emit(Event(State.RUNNING, node))
        try:
            yield
        except BaseException as error:
            emit(Event(State.FAILED, node, memory_bytes=_peak(), warnings=warnings.by_kind, reason=reason_of(error)))
            raise
        else:
            emit(Event(State.FINISHED, node, memory_bytes=_peak(), warnings=warnings.by_kind))
        finally:
            root.removeHandler(warnings)


class WarningCounter(logging.Handler):
    """Counts warnings and errors by the logger that they come from.

    Attributes:
        by_kind: Logger -> number.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.by_kind: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count one record."""
        self.by_kind[record.name] += 1


def reason_of(error: BaseException) -> str:
    """Why something ended, in one line."""
    if stop := stop_of(error):
        return stopped_error(stop, action="").problem
    known = error if isinstance(error, BelkaError) else explained(error)
    if known is not None:
        return f"{known.problem} {known.received}".strip()
    return traceback.format_exception_only(error)[-1].strip()


def _peak() -> int:
    """Peak resident memory of this process, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
