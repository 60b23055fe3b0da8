"""The figure of what a model gains over others, as inline SVG."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from belka.pages.figures import NARROW, TEXT, draw
from components.affinity_evaluator.gate import Gain
from components.affinity_evaluator.report.series import look_of, readable


def gains(others: Mapping[str, Sequence[Gain]], confidence: float, name: str = "gains") -> str:
    """What the model gains in average precision over other models, on the mean and by slice, with intervals.

    Args:
        others: Name of a panel -> gains over the model that it names. All panels have one scale.
        confidence: Of the intervals.
        name: See `belka.pages.figures.pictures`.
    """
    rows = list(dict.fromkeys(gain.name for found in others.values() for gain in found))
    ends = [end for found in others.values() for gain in found for end in _ends(gain)]
    low, high = min(ends, default=0.0), max(ends, default=0.0)
    margin = 0.06 * (high - low) or 0.01

    def paint(panels: Sequence[Axes]) -> None:
        for panel, found in zip(panels, others.values(), strict=True):
            panel.axvline(0, color=TEXT, linewidth=0.8)
            named = set[str]()
            for gain in found:
                look, y = look_of(gain.name), rows.index(gain.name)
                if gain.interval:
                    ends = (gain.interval.low, gain.interval.high)
                    panel.plot(ends, (y, y), color=look.colour, linewidth=2, alpha=0.6)
                panel.plot(
                    gain.value, y, look.mark, color=look.colour, label=None if look.label in named else look.label
                )
                named.add(look.label)
            panel.set_yticks(range(len(rows)), [readable(row) for row in rows])
            panel.set(xlabel=f"gain, {confidence:.0%} interval", xlim=(low - margin, high + margin))
            panel.set_ylim(len(rows) - 0.5, -0.5)

    size = (NARROW, 1.1 + 0.22 * max(len(rows), 1))
    return draw(name, "Gain in average precision", list(others), paint, size=size)


def _ends(gain: Gain) -> tuple[float, ...]:
    interval = gain.interval
    return (0.0, gain.value, *((interval.low, interval.high) if interval else ()))
