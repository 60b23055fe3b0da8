"""An event: what it holds, and how it looks as a line of JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from belka.redaction import without_secrets
from belka.texts import for_terminal

_DIGITS: Final = 4  # significant ones of rates and figures


class State(StrEnum):
    """What became of a node, or of a whole run, in the order in which it may happen."""

    STARTED = "started"  # its turn has come; whether the cache serves it is not known yet
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CACHED = "cached"


@dataclass(frozen=True)
class Amount:
    """How far a part of a node is.

    Attributes:
        part: What is being done, such as `scoring`.
        done: Units done, >= 0.
        total: Units there are; None = not known.
        unit: What is counted, in the plural: rows, molecules, batches.
        rate: Units a second over the last half minute; 0 = not known yet.
        figures: Name -> value of what else changes on the way, such as a loss.
    """

    part: str
    done: int
    total: int | None
    unit: str
    rate: float = 0.0
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of the part at this rate; None where that is not known."""
        return None if self.total is None or not self.rate else max(self.total - self.done, 0) / self.rate


@dataclass(frozen=True)
class Event:
    """One line of the stream. What is not known is empty, and left out of the line.

    Attributes:
        state: State of the node.
        node: Node id; empty = the run itself.
        time: When, with the zone.
        run: The run; filled by whoever gathers the events of a run.
        step: The step of the command line that the node belongs to; likewise.
        source: Which counter in which process tells `progress`: those of several processes are added up.
        progress: How far the node is.
        memory_bytes: Peak resident memory, of the process that tells it or, where a run gathers, of all its processes.
        warnings: Logger -> number of its warnings.
        reason: Why it ended as it did.
        exit_code: Of a run that ended.
    """

    state: State
    node: str = ""
    time: datetime = field(default_factory=lambda: datetime.now().astimezone())
    run: str = ""
    step: str = ""
    source: str = ""
    progress: Amount | None = None
    memory_bytes: int = 0
    warnings: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    exit_code: int | None = None


def to_line(event: Event) -> str:
    """Render an event as one line of JSON, without the line's end; no value is a secret or a control character."""
    found: dict[str, Any] = {
        "time": event.time.isoformat(timespec="milliseconds"),
        "run": event.run,
        "step": event.step,
        "node": event.node,
        "state": str(event.state),
        "source": event.source,
        "progress": _amount(event.progress) if event.progress else None,
        "memory_bytes": event.memory_bytes or None,
        "warnings": dict(event.warnings),
        "reason": for_terminal(without_secrets(event.reason)),
        "exit_code": event.exit_code,
    }
    return json.dumps({name: value for name, value in found.items() if value not in ("", None, {})})


def from_line(line: str) -> Event:
    """Read what `to_line` wrote.

    Raises:
        ValueError: It is no event.
    """
    try:
        values = json.loads(line)
        amount = values.pop("progress", None)
        if amount is not None:
            amount.pop("seconds_left", None)
            amount = Amount(**{"total": None, **amount})
        event = Event(**{**values, "state": State(values["state"])}, progress=amount)
        return replace(event, time=datetime.fromisoformat(values["time"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no event: {line!r}") from error


def _amount(amount: Amount) -> dict[str, Any]:
    left = amount.seconds_left
    found: dict[str, Any] = {
        "part": amount.part,
        "done": amount.done,
        "total": amount.total,
        "unit": amount.unit,
        "rate": _rounded(amount.rate) or None,
        "seconds_left": None if left is None else round(left),
        "figures": {name: _rounded(value) for name, value in amount.figures.items()},
    }
    return {name: value for name, value in found.items() if value not in (None, {})}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
