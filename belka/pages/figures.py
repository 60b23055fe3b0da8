"""Figures as inline SVG that takes the page's colours, light or dark."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Stand-ins that become the page's own colours in the SVG text.
TEXT: Final = "#010203"
LINE: Final = "#040506"
_PAGE_COLOURS: Final = {TEXT: "currentColor", LINE: "var(--line)"}
# Told apart on white and on black, and by readers who see red and green alike.
PALETTE: Final = ("#3b82f6", "#f59e0b", "#10b981", "#c084fc", "#ef4444", "#64748b")
_PAGE_INCHES: Final = 9.3  # a figure is as wide as the page, whatever it holds
_STYLE: Final[dict[str, Any]] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), TEXT),
    **dict.fromkeys(("axes.edgecolor", "grid.color"), LINE),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.5,
}
_IDS: Final = re.compile(
    r' id="(?:figure|axes|patch|line2d|text|matplotlib\.axis|xtick|ytick|legend|[A-Za-z]*Collection)_\d+"'
)


def draw(name: str, height: float, panels: int, paint: Callable[[Sequence[Axes]], None]) -> str:
    """Make one figure: an `<svg>` element, the same text for the same data.

    Args:
        name: Keeps the ids of this figure apart from those of others on the page.
        height: Inches; the width is that of the page, or more for many panels.
        panels: Panels side by side; at least one is made.
        paint: Draws into the panels.
    """
    style: Any = {**_STYLE, "svg.hashsalt": name}
    columns = max(panels, 1)
    with mpl.rc_context(style):
        figure = Figure(figsize=(max(_PAGE_INCHES, 3.1 * columns), height), layout="constrained")
        paint([figure.add_subplot(1, columns, i + 1) for i in range(columns)])
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = _IDS.sub("", buffer.getvalue())
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for stand_in, colour in _PAGE_COLOURS.items():
        svg = svg.replace(stand_in, colour)
    return svg
