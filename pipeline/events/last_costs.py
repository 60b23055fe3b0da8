"""What nodes took when they ran last, as the files of events in an output directory tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from belka.events.event import Event, State, from_line

_DATA: Final = ("molecules", "rows")  # units that say more than others about how much there was to do
_NOTHING: Final = (False, 0, "")


@dataclass(frozen=True)
class Cost:
    """What a node took when it ran last.

    Attributes:
        seconds: From its start to its end.
        memory_bytes: Peak resident memory of all processes.
        amount: How much it worked on, such as `1,001 molecules`; empty where it did not tell.
        when: When it ended.
    """

    seconds: float
    memory_bytes: int
    amount: str
    when: datetime


def last_costs(logs: Path) -> dict[str, Cost]:
    """Read them.

    Args:
        logs: The folder of logs.

    Returns:
        Node id -> cost; nodes that never finished while events were kept are absent.
    """
    costs: dict[str, Cost] = {}
    for file in sorted(logs.glob("*.events.jsonl")):
        running: dict[str, datetime] = {}
        amounts: dict[str, tuple[bool, int, str]] = {}
        for event in _events(file):
            if event.progress:
                total = event.progress.total or event.progress.done
                found = (event.progress.unit in _DATA, total, event.progress.unit)
                amounts[event.node] = max(amounts.get(event.node, _NOTHING), found)
            elif event.state is State.RUNNING:
                running[event.node] = event.time
            elif event.state is State.FINISHED and event.node in running:
                _, total, unit = amounts.get(event.node, _NOTHING)
                seconds = (event.time - running[event.node]).total_seconds()
                amount = f"{total:,} {unit}" if total else ""
                costs[event.node] = Cost(seconds, event.memory_bytes, amount, event.time)
    return costs


def _events(file: Path) -> Iterator[Event]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield from_line(line)
        except ValueError:  # the last line of a run that was killed
            continue
