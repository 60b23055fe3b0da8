"""How a split group looks in every figure: a colour and a mark of its own, whichever slices there are.

Colours mean split groups alone: proteins are panels, and models are rows.
"""

from typing import Final, NamedTuple

from belka.contract import SplitGroup
from belka.pages.figures import PALETTE, TEXT
from components.affinity_evaluator.gate import Gain


class Look(NamedTuple):
    """How something is drawn.

    Attributes:
        label: What readers call it.
        colour: A stand-in of `belka.pages.figures`.
        mark: matplotlib's marker.
        shift: Where it stands beside the others of its row, from -0.5 to 0.5.
    """

    label: str
    colour: str
    mark: str
    shift: float


LOOKS: Final = {
    SplitGroup.SHARED.label: Look("shared", PALETTE[0], "o", -0.12),
    SplitGroup.NON_SHARED.label: Look("non-shared", PALETTE[1], "s", 0.12),
}
ALL: Final = Look("all", TEXT, "D", 0.0)


def look_of(slice_name: str) -> Look:
    """How the slice of this name, or a mean over slices, is drawn."""
    return LOOKS.get(slice_name.rpartition("/")[2], ALL)


def tone(gain: Gain) -> str:
    """How a gain is coloured: `good` or `bad` where its interval holds no 0, else as other text."""
    if gain.interval is None or gain.interval.low <= 0 <= gain.interval.high:
        return ""
    return "good" if gain.value > 0 else "bad"


def readable(slice_name: str) -> str:
    """The name of a slice as readers see it."""
    return slice_name.replace("_", "-").replace("/", " / ")
