"""The figure of probabilities before and after calibration, as inline SVG."""

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes

from belka.pages.figures import LINE, SOFT, TEXT, draw
from components.affinity_evaluator.reliability import Reliability

_SERIES: Final = (("before", "before calibration", "^--", SOFT), ("after", "after", "D-", TEXT))


def reliability(targets: Sequence[Reliability]) -> str:
    """Observed share of binders against predicted probability, a panel a target.

    Args:
        targets: What was measured.
    """

    def paint(panels: Sequence[Axes]) -> None:
        for panel, one in zip(panels, targets, strict=True):
            panel.plot([0, 1], [0, 1], color=LINE, linewidth=1, linestyle="--", label="perfect")
            for name, label, style, colour in _SERIES:
                figures = getattr(one, name)
                if figures is not None:
                    x, y = ([getattr(each, end) for each in figures.bins] for end in ("predicted", "observed"))
                    panel.plot(x, y, style, ms=3, lw=1, color=colour, label=label)
            panel.set(xlabel="predicted probability", ylabel="observed share", xlim=(0, 1), ylim=(0, 1))

    return draw("reliability", "Calibration, before and after", [one.target for one in targets], paint)
