"""One measured piece of work, and the table that sets it beside its reference."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.table import Table

from pipeline.runners.peak_memory import PeakMemory

GIGABYTE: Final = 1e9
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Measurement:
    """How long a piece of work took and what it held in memory.

    Args:
        name: What was measured.
        items: How many things it worked through, of `unit`.
        unit: What is counted (rows, molecules, SMILES).
        seconds: Wall time.
        peak_bytes: Highest resident memory of the process tree while it ran.
    """

    name: str
    items: int
    unit: str
    seconds: float
    peak_bytes: int

    @property
    def rate(self) -> float:
        """Items per second of wall time."""
        return self.items / self.seconds


def measure(name: str, items: int, unit: str, work: Callable[[], Result]) -> tuple[Measurement, Result]:
    """Run `work` once and measure it.

    Args:
        name: What is measured.
        items: How many things `work` goes through.
        unit: What is counted.
        work: The work; whatever it sets up is part of the measured time.

    Returns:
        The measurement, and what `work` returned.
    """
    with PeakMemory() as memory:
        start = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - start
        peak = memory.take()
    return Measurement(name, items, unit, seconds, peak), result


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work that may be repeated.

    Args:
        name: What is measured.
        items: How many things it goes through.
        run: Does it once; what it needs is set up already.
    """

    name: str
    items: int
    run: Callable[[], object]


def measure_in_turn(works: Sequence[Work], unit: str, rounds: int) -> tuple[Measurement, ...]:
    """Measure pieces of work one after the other, round after round, and keep the fastest of each.

    What slows the machine down for a while then hits all of them alike, and few of the fastest.

    Args:
        works: The work.
        unit: What is counted.
        rounds: How often each is run.

    Returns:
        One measurement a piece of work, in their order.
    """
    return fastest([[measure(work.name, work.items, unit, work.run)[0] for work in works] for _ in range(rounds)])


def fastest(rounds: Sequence[Sequence[Measurement]]) -> tuple[Measurement, ...]:
    """Choose the fastest measurement of each piece of work.

    Args:
        rounds: The measurements of each round, of the same pieces of work in the same order.

    Returns:
        One measurement a piece of work, in their order.
    """
    return tuple(min(of_one, key=lambda measurement: measurement.seconds) for of_one in zip(*rounds, strict=True))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Measurements of one run beside the reference measured in the same run.

    Args:
        title: What is compared, with the sizes that matter.
        reference: The plain way.
        measurements: Our ways.
        notes: What the figures mean or leave out, a line each.
    """

    title: str
    reference: Measurement
    measurements: tuple[Measurement, ...]
    notes: tuple[str, ...] = ()

    def ratio(self, measurement: Measurement) -> float:
        """How many times the reference's rate a measurement reaches (2 = twice as fast)."""
        return measurement.rate / self.reference.rate

    def as_dict(self) -> dict[str, Any]:
        """Every figure under its name, for JSON."""
        rows = [
            {**asdict(measurement), "rate": measurement.rate, "ratio": self.ratio(measurement)}
            for measurement in (self.reference, *self.measurements)
        ]
        return {"title": self.title, "measurements": rows, "notes": list(self.notes)}


def print_comparisons(comparisons: Sequence[Comparison], console: Console) -> None:
    """Print a table for each comparison: the reference first, ratios against it."""
    for comparison in comparisons:
        table = Table(title=comparison.title, title_justify="left", box=None, pad_edge=False)
        table.add_column("way", overflow="fold")
        for heading in ("items", "seconds", "rate", "peak memory", "ratio"):
            table.add_column(heading, justify="right")
        for measurement in (comparison.reference, *comparison.measurements):
            table.add_row(
                measurement.name,
                f"{measurement.items:,} {measurement.unit}",
                f"{measurement.seconds:,.2f}",
                f"{measurement.rate:,.0f}/s",
                f"{measurement.peak_bytes / GIGABYTE:.2f} GB",
                f"{comparison.ratio(measurement):.2f}",
            )
        console.print(table)
        for note in comparison.notes:
            console.print(f"  {note}", markup=False, highlight=False)
