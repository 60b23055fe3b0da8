"""The state of a run as a text file for Prometheus, such as node_exporter's textfile collector reads.

Source: Prometheus, Exposition formats, text-based format 0.0.4.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from belka.events.event import Event, State
from belka.files import atomic_path

SECONDS_BETWEEN: Final = 5.0
_Labels = Mapping[str, str]

HELP: Final = {
    "belka_run_state": "1 for the state that the run is in, 0 for the others.",
    "belka_run_exit_code": "Exit code of the run, once it has ended.",
    "belka_node_state": "1 for the state that the node is in, 0 for the others.",
    "belka_node_done": "Units done of the part of the node that is at work.",
    "belka_node_units": "Units there are of it.",
    "belka_node_rate": "Units a second.",
    "belka_node_seconds_left": "Seconds to the end of the part at this rate.",
    "belka_node_figure": "What else changes on the way, such as the loss.",
    "belka_node_memory_bytes": "Peak resident memory of all processes while the node ran.",
    "belka_node_warnings": "Warnings by logger.",
    "belka_last_event_timestamp_seconds": "When the last event came.",
}


class MetricsFile:
    """Keeps a file that says how the run stands.

    Args:
        path: The file; node_exporter wants a name that ends with .prom.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: dict[str, Event] = {}
        self._amounts: dict[str, Event] = {}
        self._written = float("-inf")

    def __call__(self, event: Event) -> None:
        """Note an event; write the file, if it tells of a state or the last one is old."""
        self._last[event.node] = event
        if event.progress:
            self._amounts[event.node] = event
        now = time.monotonic()
        if event.progress is None or now - self._written >= SECONDS_BETWEEN:
            self._written = now
            # In two steps: a collector may take the temporary file, which ends as its target does, for another one.
            whole = self._path.with_name(f"{self._path.name}.new")
            with atomic_path(whole) as temporary:
                temporary.write_text(self.text(), encoding="utf-8")
            whole.replace(self._path)

    def text(self) -> str:
        """The content of the file."""
        samples: dict[str, list[str]] = {name: [] for name in HELP}
        for event in self._last.values():
            for name, labels, value in _samples(event, self._amounts.get(event.node)):
                samples[name].append(f"{name}{{{_rendered(labels)}}} {value:.10g}\n")
        newest = max((event.time.timestamp() for event in self._last.values()), default=0.0)
        runs = {event.run for event in self._last.values()}
        name = "belka_last_event_timestamp_seconds"
        samples[name] = [f"{name}{{{_rendered({'run': run})}}} {newest:.3f}\n" for run in sorted(runs)]
        return "".join(
            f"# HELP {name} {HELP[name]}\n# TYPE {name} gauge\n{''.join(lines)}"
            for name, lines in samples.items()
            if lines
        )


def _samples(event: Event, with_amount: Event | None) -> Iterator[tuple[str, _Labels, float]]:
    run = {"run": event.run}
    if not event.node:
        yield from (("belka_run_state", {**run, "state": state}, float(state is event.state)) for state in State)
        if event.exit_code is not None:
            yield "belka_run_exit_code", run, event.exit_code
        return
    node = {**run, "step": event.step, "node": event.node}
    yield from (("belka_node_state", {**node, "state": state}, float(state is event.state)) for state in State)
    if event.memory_bytes:
        yield "belka_node_memory_bytes", node, event.memory_bytes
    yield from (("belka_node_warnings", {**node, "kind": kind}, n) for kind, n in event.warnings.items())
    amount = with_amount.progress if with_amount else None
    if amount is None:
        return
    part = {**node, "part": amount.part, "unit": amount.unit}
    values = (("done", amount.done), ("units", amount.total), ("rate", amount.rate or None))
    for name, value in (*values, ("seconds_left", amount.seconds_left)):
        if value is not None:
            yield f"belka_node_{name}", part, value
    yield from (("belka_node_figure", {**part, "name": name}, value) for name, value in amount.figures.items())


def _rendered(labels: _Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
