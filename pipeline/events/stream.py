"""Gather the events of a run: one order, the run's name and steps added, counters of several processes added up."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from belka.events.event import Amount, Event, State
from pipeline.runners.peak_memory import PeakMemory

logger = logging.getLogger(__name__)

Outlet = Callable[[Event], None]
_ENDS = (State.FINISHED, State.FAILED, State.CACHED)


@dataclass
class _Node:
    state: State
    parts: dict[str, dict[str, Amount]] = field(default_factory=dict)  # part -> source -> its last amount


class RunStream:
    """Takes every event of a run and hands it on, completed.

    Args:
        run: Name of the run.
        outlets: Called with each event. One that fails is told of in the log and left out from then on.
        step_of: The step of the command line that a node belongs to.
        memory: Samples the memory of all processes of the run.
    """

    def __init__(
        self, run: str, outlets: Sequence[Outlet], *, step_of: Callable[[str], str], memory: PeakMemory
    ) -> None:
        self._run, self._outlets, self._step_of, self._memory = run, list(outlets), step_of, memory
        self._nodes: dict[str, _Node] = {}

    def hear(self, event: Event) -> None:
        """Take one event."""
        node = self._nodes.setdefault(event.node, _Node(event.state))
        if event.progress and node.state in _ENDS:
            return  # a worker's last word came after the end
        if event.state is State.STARTED:
            self._nodes[event.node] = node = _Node(event.state)
            self._memory.take()
        node.state = event.state
        found = replace(
            event,
            run=self._run,
            step=self._step_of(event.node) if event.node else "",
            source="",
            progress=_added(node, event) if event.progress else None,
            memory_bytes=self._peak(event),
        )
        for outlet in tuple(self._outlets):
            try:
                outlet(found)
            except Exception:
                self._outlets.remove(outlet)
                logger.exception("Events are no longer handed to %s; the run goes on.", outlet)

    def _peak(self, event: Event) -> int:
        if event.state is State.STARTED or event.state is State.CACHED:
            return 0
        return max(self._memory.peak(), event.memory_bytes)


def _added(node: _Node, event: Event) -> Amount | None:
    """What all processes together have done of the part that an event tells about."""
    amount = event.progress
    if amount is None:
        return None
    sources = node.parts.setdefault(amount.part, {})
    if amount.total is not None and not amount.done and event.source not in sources:
        sources.clear()  # the part begins, perhaps again
    sources[event.source] = amount
    totals = [each.total for each in sources.values() if each.total is not None]
    total = max(totals) if totals else None
    done = sum(each.done for each in sources.values())
    return replace(
        amount,
        done=done if total is None else min(done, total),  # an engine may repeat what it had done
        total=total,
        rate=sum(each.rate for each in sources.values()),
    )
