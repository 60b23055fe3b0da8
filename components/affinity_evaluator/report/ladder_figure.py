"""The figure of how the ranking gets worse the further molecules are from training, as inline SVG."""

from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes

from belka.contract import SplitGroup
from belka.pages.figures import LINE, NARROW, TEXT, draw
from components.affinity_evaluator.ladder import LADDERS, Ladder, Rung
from components.affinity_evaluator.report.series import LOOKS

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
_SHARED: Final = ("none_new", "known")


def ladder_figure(ladder: Ladder, rungs: Sequence[Rung], targets: Sequence[str]) -> str:
    """Average precision by rung, a panel a target; dashes are the shares of binders.

    Args:
        ladder: Which ladder.
        rungs: What was measured, on all ladders.
        targets: Target names.
    """
    names = [name for name in dict(LADDERS)[ladder] if any((one.ladder, one.name) == (ladder, name) for one in rungs)]

    def paint(panels: Sequence[Axes]) -> None:
        for panel, target in zip(panels, targets, strict=True):
            _paint(panel, names, [one for one in rungs if one.ladder == ladder and one.target == target])
            panel.set_xticks(range(len(names)), [NAMES[name].replace(" ", "\n", 1) for name in names])
            panel.set(ylabel="average precision", ylim=(0, 1.02), xlim=(-0.5, max(len(names), 1) - 0.5))

    title = f"Average precision {TITLES[ladder]}"
    return draw(f"ladder-{ladder}", title, targets, paint, size=(NARROW, 2.9))


def _paint(panel: Axes, names: Sequence[str], rungs: Sequence[Rung]) -> None:
    curve = [(names.index(one.name), one.average_precision, one) for one in rungs if one.average_precision is not None]
    panel.plot([x for x, _, _ in curve], [y for _, y, _ in curve], "-", color=LINE, lw=1)
    labelled = set[str]()
    for x, y, one in curve:
        look = LOOKS[(SplitGroup.SHARED if one.name in _SHARED else SplitGroup.NON_SHARED).label]
        if interval := one.average_precision_interval:
            panel.plot([x, x], [interval.low, interval.high], color=look.colour, lw=2, alpha=0.5)
        panel.plot(x, y, look.mark, color=look.colour, label=None if look.label in labelled else look.label)
        panel.plot(x, one.positives / one.n, "_", color=TEXT, ms=9)
        labelled.add(look.label)
    if curve:
        panel.plot([], [], "_", color=TEXT, ms=9, label="share of binders")
