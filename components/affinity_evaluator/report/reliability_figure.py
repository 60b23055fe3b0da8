"""The figure of probabilities before and after calibration, as inline SVG."""

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes

from belka.pages.figures import LINE, PALETTE, draw
from components.affinity_evaluator.reliability import Reliability

_SERIES: Final = (("before", "before calibration", PALETTE[5]), ("after", "after", PALETTE[2]))


def reliability(targets: Sequence[Reliability]) -> str:
    """Observed share of binders against predicted probability, a panel a target.

    Args:
        targets: What was measured.
    """

    def paint(panels: Sequence[Axes]) -> None:
        for panel, one in zip(panels, targets, strict=True):
            panel.plot([0, 1], [0, 1], color=LINE, linewidth=1, linestyle="--")
            for name, label, colour in _SERIES:
                figures = getattr(one, name)
                if figures is not None:
                    x, y = ([getattr(each, end) for each in figures.bins] for end in ("predicted", "observed"))
                    panel.plot(x, y, "o-", ms=3, lw=1, color=colour, label=label)
            panel.set(title=one.target, xlabel="predicted probability", ylabel="observed share")
            panel.set(xlim=(0, 1), ylim=(0, 1))
            if one.before is not None:
                panel.legend(loc="upper left")

    return draw("reliability", 2.9, len(targets), paint)
