"""Times, sizes and progress as people read them: units that fit, no digits that say nothing."""

from typing import Final

from rich.filesize import decimal

from belka.events.event import Amount

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_UNITS: Final = ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s"))


def shown_time(seconds: float) -> str:
    """A duration, in its two largest units."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{seconds:.1f} s"
    unit, name, below, name_below = next(row for row in _UNITS if whole >= row[0])
    return f"{whole // unit} {name} {whole % unit // below} {name_below}"


def shown_bytes(n: int) -> str:
    """A size, in the unit that fits (1 kB = 1,000 bytes)."""
    return decimal(n)


def shown_amount(amount: Amount) -> str:
    """How far something is, in one line: what is done, of how much, how fast, how long still, and the figures."""
    done = f"{amount.done:,}" if amount.total is None else f"{amount.done:,} of {amount.total:,}"
    parts = [f"{amount.part}: {done} {amount.unit}"]
    if amount.rate:
        parts.append(f"{_number(amount.rate)}/s")
    if amount.seconds_left is not None and amount.done < (amount.total or 0):
        parts.append(f"{shown_time(amount.seconds_left)} left")
    return ", ".join([*parts, *(f"{name} {value:.4g}" for name, value in amount.figures.items())])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004 - two digits say enough
