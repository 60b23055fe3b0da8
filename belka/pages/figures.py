"""Figures as inline SVG that takes the page's colours, light or dark: one picture a panel, which pages lay out."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Stand-ins that become the page's own colours in the SVG text.
TEXT: Final = "#010203"
LINE: Final = "#040506"
SOFT: Final = "#040507"
# Told apart on white and on black: style.css has a value of each for either. Here is what a picture has elsewhere.
_HUES: Final = {
    "#0a0b01": ("blue", "#2563eb"),
    "#0a0b02": ("orange", "#c2410c"),
    "#0a0b03": ("green", "#15803d"),
    "#0a0b04": ("purple", "#9333ea"),
    "#0a0b05": ("red", "#be123c"),
    "#0a0b06": ("teal", "#0e7490"),
}
PALETTE: Final = tuple(_HUES)
_PAGE_COLOURS: Final = {
    TEXT: "currentColor",
    LINE: "var(--line, #888888)",
    SOFT: "var(--soft, #5d6673)",
    **{stand_in: f"var(--{name}, {value})" for stand_in, (name, value) in _HUES.items()},
}
NARROW: Final = 3.4  # inches: three panels beside each other on a page, and one fills a phone
_POINTS: Final = 72
_LETTER: Final = 5.3  # points, about
_LEGEND_MARK: Final = 26  # points of a legend's mark with its margins
_STYLE: Final[Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), TEXT),
    **dict.fromkeys(("axes.edgecolor", "grid.color"), LINE),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    **dict.fromkeys(("axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 9),
    "axes.titleweight": "bold",
    "axes.grid": True,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.5,
    "lines.markersize": 5,
    "legend.handlelength": 1.5,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.0,
}
_IDS: Final = re.compile(
    r' id="(?:figure|axes|patch|line2d|text|matplotlib\.axis|xtick|ytick|legend|[A-Za-z]*Collection)_\d+"'
)


def draw(
    name: str,
    title: str,
    panels: Sequence[str],
    paint: Callable[[Sequence[Axes]], object],
    *,
    size: tuple[float, float] = (NARROW, 3.0),
) -> str:
    """Draw panels side by side, one below the other where the page is narrow.

    Args:
        name: See `pictures`, as for all others but this.
        title: What the panels show together.
        panels: Name of each panel.
        paint: Draws into the panels.
        size: Inches of a panel.

    Returns:
        A `<div>` with an `<svg>` element a panel.
    """
    return f'<div class="panels">{"".join(pictures(name, title, panels, paint, size=size))}</div>'


def pictures(
    name: str,
    title: str,
    panels: Sequence[str],
    paint: Callable[[Sequence[Axes]], object],
    *,
    size: tuple[float, float] = (NARROW, 3.0),
) -> list[str]:
    """Draw panels, each with its legend below it: the same text for the same data.

    Args:
        name: Keeps the ids of these pictures apart from those of others on the page.
        title: What the panels show together; each is named by it and by its own name, for readers who hear the page.
        panels: Name of each panel, its heading; may be empty.
        paint: Draws into the panels. What has a label is in the legend.
        size: Inches of a panel.

    Returns:
        An `<svg>` element a panel.
    """
    figures: list[tuple[Figure, Axes]] = []
    with mpl.rc_context(_STYLE):
        for _ in panels:
            figure = Figure(figsize=size, layout="constrained")
            figures.append((figure, figure.add_subplot()))
        paint([axes for _, axes in figures])
        return [
            _svg(figure, axes, f"{name}-{i}", title, panel)
            for i, ((figure, axes), panel) in enumerate(zip(figures, panels, strict=True))
        ]


def _svg(figure: Figure, axes: Axes, salt: str, title: str, panel: str) -> str:
    axes.set_title(panel)
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        width = figure.get_figwidth() * _POINTS
        fits = sum(len(label) * _LETTER + _LEGEND_MARK for label in labels) < width
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels) if fits else 2)
    buffer = io.StringIO()
    salted: Any = {"svg.hashsalt": salt}
    with mpl.rc_context(salted):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = _IDS.sub("", buffer.getvalue())
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for stand_in, colour in _PAGE_COLOURS.items():
        svg = svg.replace(stand_in, colour)
    named = escape(f"{title}: {panel}" if panel else title)
    return svg.replace("<svg ", '<svg role="img" ', 1).replace(">", f"><title>{named}</title>", 1)
