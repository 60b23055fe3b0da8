"""How far the molecules that are served lie from those of training, counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from belka.predict.check import FAR_BLOCK, CheckedSmiles

MOLECULES: Final = "belka_served_molecules"
UNREADABLE: Final = "belka_served_unreadable"
FAR: Final = "belka_served_far_blocks"
# Counters without the ending _total, which Prometheus adds to each -> what they count.
HELP: Final[Mapping[str, str]] = {
    MOLECULES: "Molecules scored, by how many of their building blocks no training molecule has; none: no blocks "
    "found, not_compared: the model does not keep its training blocks.",
    UNREADABLE: "Texts that are no usable SMILES.",
    FAR: f"Molecules with a building block whose nearest one of training has a similarity below {FAR_BLOCK}.",
}
NEW_BLOCKS: Final = ("0", "1", "2", "3", "none", "not_compared")


class Sample(NamedTuple):
    """The value of a counter for some labels."""

    name: str
    labels: Mapping[str, str]
    value: int


class ServedCounts:
    """Counts what is served since it was made.

    Args:
        compared: Whether the model keeps the blocks of its training.
    """

    def __init__(self, *, compared: bool) -> None:
        self._compared = compared
        self._molecules: Counter[str] = Counter()
        self._unreadable = self._far = 0

    def add(self, checked: Iterable[CheckedSmiles]) -> None:
        """Count inputs."""
        for item in checked:
            if item.problem:
                self._unreadable += 1
                continue
            self._molecules[self._label(item)] += 1
            self._far += item.block_similarity is not None and item.block_similarity < FAR_BLOCK

    def samples(self) -> Iterator[Sample]:
        """Every counter with every label, also those that are 0: an increase from nothing is none for Prometheus."""
        yield from (Sample(MOLECULES, {"new_blocks": label}, self._molecules[label]) for label in NEW_BLOCKS)
        yield Sample(UNREADABLE, {}, self._unreadable)
        yield Sample(FAR, {}, self._far)

    def _label(self, item: CheckedSmiles) -> str:
        if not self._compared:
            return "not_compared"
        return "none" if item.new_blocks is None else str(len(item.new_blocks))
