"""The figure of how the ranking gets worse the further molecules are from training, as inline SVG."""

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes

from belka.pages.figures import PALETTE, TEXT, draw
from components.affinity_evaluator.ladder import LADDERS, Rung

TITLES: Final = {"new_blocks": "by the number of new blocks", "nearest_block": "by the nearest training block"}
NAMES: Final = {
    "none_new": "none new",
    "one_new": "one",
    "two_new": "two",
    "three_new": "three",
    "other_library": "another library",
    "known": "none new",
    "same_cluster": "0.6 or more",
    "other_cluster": "0.4 to 0.6",
    "far": "below 0.4",
}


def ladders(rungs: Sequence[Rung], targets: Sequence[str]) -> str:
    """Average precision by rung, a panel a ladder, a curve a target; dashes are the shares of binders.

    Args:
        rungs: What was measured.
        targets: Target names.
    """

    def paint(panels: Sequence[Axes]) -> None:
        for panel, (ladder, names) in zip(panels, LADDERS, strict=True):
            shown = [name for name in names if any((one.ladder, one.name) == (ladder, name) for one in rungs)]
            for number, target in enumerate(targets):
                colour = PALETTE[number % len(PALETTE)]
                curve = [
                    (shown.index(one.name) + 0.08 * (number - (len(targets) - 1) / 2), one.average_precision, one)
                    for one in rungs
                    if one.ladder == ladder and one.target == target and one.average_precision is not None
                ]
                panel.plot([x for x, _, _ in curve], [y for _, y, _ in curve], "o-", ms=4, lw=1.2)
                panel.lines[-1].set(color=colour, label=target)
                for x, _, one in curve:
                    panel.plot(x, one.positives / one.n, "_", color=colour, ms=9)
                    if interval := one.average_precision_interval:
                        panel.plot([x, x], [interval.low, interval.high], color=colour, lw=2, alpha=0.5)
            panel.set_xticks(range(len(shown)), [NAMES[name] for name in shown])
            panel.set(title=TITLES[ladder], ylim=(0, 1.02), xlim=(-0.5, max(len(shown), 1) - 0.5))
        panels[0].set_ylabel("average precision")
        panels[0].plot([], [], "_", color=TEXT, ms=9, label="share of binders")
        panels[0].legend(loc="lower left")

    return draw("ladders", 3.1, len(LADDERS), paint)
