"""The figure of the training of several runs, as inline SVG."""

from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from belka.pages.figures import NARROW, PALETTE, draw

_MARKS: Final = "o^sDvP"
# Split groups have the first two colours.
_COLOURS: Final = PALETTE[2:]
# What a stage is judged by -> what readers call it.
_SHOWN: Final = {
    "loss": "training loss",
    "val_loss": "validation loss",
    "val_average_precision": "early-stopping average precision",
}

Histories = Mapping[str, Sequence[Mapping[str, float]]]


def training_curves(runs: Mapping[str, Histories]) -> str:
    """Losses and scores by epoch: a panel a stage and figure, a curve a run.

    Args:
        runs: Name of the run -> stage -> one mapping an epoch.
    """
    stages = list(dict.fromkeys(stage for histories in runs.values() for stage in histories))
    panels = [
        (stage, key)
        for stage in stages
        for key in _SHOWN
        if any(row.get(key) is not None for histories in runs.values() for row in histories.get(stage, ()))
    ]

    def paint(axes: Sequence[Axes]) -> None:
        for panel, (stage, key) in zip(axes, panels, strict=True):
            for number, (name, histories) in enumerate(runs.items()):
                points = [(row["epoch"], row[key]) for row in histories.get(stage, ()) if row.get(key) is not None]
                if points:
                    style = f"{_MARKS[number % len(_MARKS)]}-"
                    colour = _COLOURS[number % len(_COLOURS)]
                    panel.plot(*zip(*points, strict=True), style, ms=4, color=colour, label=name)
            panel.set(xlabel="epoch", ylabel=_SHOWN[key])
            panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))

    return draw("training", "Training", [stage for stage, _ in panels], paint, size=(NARROW, 2.8))
