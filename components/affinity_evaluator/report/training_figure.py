"""The figure of losses and scores while a model trained, as inline SVG."""

from collections.abc import Mapping, Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from belka.pages.figures import NARROW, SOFT, TEXT, draw

_PRECISION: Final = "val_average_precision"
_LOSSES: Final = (("loss", "training loss", "o-"), ("val_loss", "validation loss", "s--"))


def training_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Training and validation loss by epoch, a panel a stage; where it was scored, its average precision.

    Args:
        histories: Stage -> one mapping an epoch, with `epoch`, `loss` and `val_loss`.
    """

    def paint(panels: Sequence[Axes]) -> None:
        for panel, epochs in zip(panels, histories.values(), strict=True):
            for key, label, style in _LOSSES:
                points = [(row["epoch"], row[key]) for row in epochs if row.get(key) is not None]
                if points:
                    panel.plot(*zip(*points, strict=True), style, ms=3, color=TEXT, label=label)
            precision = [(row["epoch"], row[_PRECISION]) for row in epochs if _PRECISION in row]
            if precision:
                # A scale of its own: beside it the changes of a small loss would not be seen.
                other = panel.twinx()
                other.spines["right"].set_visible(True)
                other.grid(visible=False)
                other.plot(*zip(*precision, strict=True), "^:", ms=4, color=SOFT)
                other.set_ylabel("early-stopping AP")
                panel.plot([], [], "^:", ms=4, color=SOFT, label="validation AP (right)")
            panel.set(xlabel="epoch", ylabel="loss")
            panel.set_xlim(0.5, max((row["epoch"] for row in epochs), default=1) + 0.5)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))

    return draw("training", "Training", list(histories), paint, size=(NARROW, 2.8))
