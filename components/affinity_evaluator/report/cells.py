"""Numbers, intervals and times as the pages show them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from components.affinity_evaluator.bootstrap import Interval
from components.affinity_evaluator.report.series import readable, tone


def number(value: float | None, digits: int = 3) -> str:
    """A count with its thousands apart, or a value with so many digits; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"


def interval(value: Interval | None, digits: int = 3) -> str:
    """Its ends; nothing where there is none."""
    return "" if value is None else f"{value.low:.{digits}f} to {value.high:.{digits}f}"


def minute(moment: str) -> str:
    """A moment in ISO's form, as a minute of UTC; a dash where it is not known."""
    return f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else "-"


# What templates call them.
FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "number": number,
    "interval": interval,
    "minute": minute,
    "readable": readable,
    "tone": tone,
}
