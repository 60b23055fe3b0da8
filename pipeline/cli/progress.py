"""The table of steps on the console: state, duration and peak memory of each node, and how far the running ones are."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from belka.events.event import Amount, Event, State
from pipeline.cli.amounts import shown_amount, shown_bytes, shown_time

_WAITING: Final = "waiting"
_STYLES: Final = {
    _WAITING: "dim",
    State.STARTED: "cyan",
    State.RUNNING: "cyan",
    State.FINISHED: "green",
    State.CACHED: "blue",
    State.FAILED: "bold red",
}
_IN_METRICS: Final = {State.FINISHED: "done"}  # metrics.json's own word, which its readers know
_ENDED: Final = (State.FINISHED, State.CACHED, State.FAILED)
_BAR: Final = 24  # columns


@dataclass
class _Row:
    state: str = _WAITING
    started: float = 0.0
    seconds: float = 0.0
    peak_bytes: int = 0
    amount: Amount | None = None


class StepTable:
    """Takes the events of a run and shows every node: live on a terminal, else only at the end.

    Args:
        console: Where to draw.
        nodes: Node ids in the order they run.
        step_of: The step of the command line that a node belongs to.
        live: Whether the table is drawn while the run goes on; on a terminal only.
    """

    def __init__(
        self, console: Console, nodes: Sequence[str], *, step_of: Callable[[str], str], live: bool = True
    ) -> None:
        self._console, self._step_of = console, step_of
        self._rows = {node: _Row() for node in nodes}
        self._is_live = live and console.is_terminal
        self._live = Live(get_renderable=self._drawn, console=console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for row in self._rows.values():
                if row.state in (State.STARTED, State.RUNNING):
                    self._end(row, State.FAILED)
        if self._live.is_started:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if not event.node:
            return
        row = self._rows.setdefault(event.node, _Row())
        row.peak_bytes = max(row.peak_bytes, event.memory_bytes)
        row.amount = event.progress or row.amount
        if event.state is State.STARTED:
            row.started = time.monotonic()
        if event.state in _ENDED:
            self._end(row, event.state)
        else:
            row.state = event.state

    def failed(self) -> str | None:
        """The node that failed, or was running when the block ended with an error."""
        return next((node for node, row in self._rows.items() if row.state == State.FAILED), None)

    def summary(self) -> dict[str, dict[str, Any]]:
        """State, seconds and peak memory (MB) of every node that was started."""
        return {
            node: {
                "state": _IN_METRICS.get(State(row.state), str(row.state)),
                "seconds": round(row.seconds, 1),
                "peak_mb": round(row.peak_bytes / 1e6),
            }
            for node, row in self._rows.items()
            if row.state != _WAITING
        }

    def print_final(self) -> None:
        """Print the table as it stands at the end."""
        self._console.print(self._table())

    @staticmethod
    def _end(row: _Row, state: State) -> None:
        row.state, row.amount = state, None
        row.seconds = time.monotonic() - row.started if row.started else 0.0

    def _drawn(self) -> RenderableType:
        return Group(self._table(), *(_bar(row.amount) for row in self._rows.values() if row.amount))

    def _table(self) -> Table:
        table = Table("step", "node", "state", box=None, pad_edge=False)
        table.add_column("time", justify="right")
        table.add_column("peak memory", justify="right")
        before = ""
        for node, row in self._rows.items():
            step = self._step_of(node)
            running = row.state in (State.STARTED, State.RUNNING)
            seconds = time.monotonic() - row.started if running else row.seconds
            timed = row.state != _WAITING
            table.add_row(
                "" if step == before else step,
                node,
                f"[{_STYLES[row.state]}]{row.state}[/]",
                shown_time(seconds) if timed else "",
                shown_bytes(row.peak_bytes) if row.peak_bytes else "",
            )
            before = step
        return table


def _bar(amount: Amount) -> RenderableType:
    text = Text(shown_amount(amount))
    if amount.total is None:
        return text
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_BAR)
    grid.add_column()
    grid.add_row(ProgressBar(total=max(amount.total, 1), completed=amount.done, width=_BAR), text)
    return grid
