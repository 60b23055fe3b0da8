"""The table of steps on the console: state, duration and peak memory of each node."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.runners.peak_memory import PeakMemory


class State(StrEnum):
    """Where a node stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CACHED = "cached"
    FAILED = "failed"


_STYLES = dict(zip(State, ("dim", "cyan", "green", "blue", "bold red"), strict=True))


@dataclass
class _Row:
    state: State = State.WAITING
    started: float = 0.0
    seconds: float = 0.0
    peak_bytes: int = 0


class StepTable:
    """Shows every node: a live table on a terminal, a line per event elsewhere.

    Args:
        console: Where to draw.
        nodes: Node ids in the order they run.
    """

    def __init__(self, console: Console, nodes: Sequence[str]) -> None:
        self._console = console
        self._rows = {node: _Row() for node in nodes}
        self._memory = PeakMemory()
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        self._memory.__enter__()
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for node, row in self._rows.items():
                if row.state is State.RUNNING:
                    self._end(node, row, State.FAILED)
        if self._live.is_started:
            self._live.stop()
        self._memory.__exit__(kind, error, trace)

    def node_started(self, node: str) -> None:
        """A node starts."""
        row = self._rows.setdefault(node, _Row())
        row.state, row.started = State.RUNNING, time.monotonic()
        self._memory.take()
        if not self._console.is_terminal:
            self._console.print(f"{node}: running")

    def node_finished(self, node: str) -> None:
        """A node ended without an error."""
        self._end(node, self._rows[node], State.DONE)

    def mark_cached(self, node: str) -> None:
        """The cache served this node."""
        if node in self._rows:
            self._rows[node].state = State.CACHED

    def failed(self) -> str | None:
        """The node that was running when the block ended with an error."""
        return next((node for node, row in self._rows.items() if row.state is State.FAILED), None)

    def summary(self) -> dict[str, dict[str, Any]]:
        """State, seconds and peak memory (MB) of every node that was started."""
        return {
            node: {"state": str(row.state), "seconds": round(row.seconds, 1), "peak_mb": round(row.peak_bytes / 1e6)}
            for node, row in self._rows.items()
            if row.state is not State.WAITING
        }

    def print_final(self) -> None:
        """Print the table as it stands at the end."""
        self._console.print(self._table())

    def _end(self, node: str, row: _Row, state: State) -> None:
        row.state, row.seconds, row.peak_bytes = state, time.monotonic() - row.started, self._memory.take()
        if not self._console.is_terminal:
            self._console.print(f"{node}: {state} after {row.seconds:.1f} s, peak {row.peak_bytes / 1e6:,.0f} MB")

    def _table(self) -> Table:
        table = Table("step", "state", box=None, pad_edge=False)
        table.add_column("time", justify="right")
        table.add_column("peak memory", justify="right")
        for node, row in self._rows.items():
            running = row.state is State.RUNNING
            seconds = time.monotonic() - row.started if running else row.seconds
            timed = row.state is not State.WAITING
            table.add_row(
                node,
                f"[{_STYLES[row.state]}]{row.state}[/]",
                f"{seconds:,.1f} s" if timed else "",
                f"{row.peak_bytes / 1e6:,.0f} MB" if timed and not running else "",
            )
        return table
