"""Which rows of a file are selected: `belka predict --select TARGET:SHARE`."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN, SELECTION_FILE, TRAINING_BLOCKS_FILE, selected_name
from belka.errors import InputError
from belka.models.folder import ModelFolder
from belka.models.selection_scores import SelectionScores, read_selection_scores
from belka.predict.kept_scores import ScoredRows
from belka.predict.selection import CONFIDENCE, NO_BLOCK, lowest_score

# Strata of rows by their number of new blocks; those of which nothing is promised have none.
_STRATA: Final = (0, 1, 2, 3)
_NO_STRATUM: Final = -1
_EXPECTED: Final = "TARGET:SHARE, for example sEH:0.9, with a share above 0 and below 1"


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        target: Protein.
        share: Share of binders among the selected rows, above 0, below 1.
    """

    target: str
    share: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read TARGET:SHARE.

        Raises:
            InputError: It is not of that form.
        """
        target, _, number = text.rpartition(":")
        try:
            share = float(number)
        except ValueError:
            share = float("nan")
        if not target or not 0 < share < 1:
            raise InputError(
                "It cannot be told what to select.",
                received=f"--select {text}",
                expected=_EXPECTED,
                action="See `belka predict --help`.",
            )
        return cls(target, share)


@dataclass
class _Rows:
    """What is kept of the rows until all are scored."""

    scores: list[NDArray[np.float32]] = field(default_factory=list)  # [n, n_wishes] each
    strata: list[NDArray[np.int8]] = field(default_factory=list)  # [n] each
    new_blocks: dict[int, set[object]] = field(default_factory=lambda: defaultdict(set))


class RowSelector:
    """Keeps the scores of all rows, 4 bytes a wish and 1 more a row, and says at the end which rows are selected.

    Args:
        model: The model.
        wishes: One a target.

    Raises:
        InputError: The model has no such target or no scores of held-out molecules, or a target is asked for twice.
    """

    def __init__(self, model: ModelFolder, wishes: Sequence[Wish]) -> None:
        targets = [wish.target for wish in wishes]
        unknown = [target for target in targets if target not in model.targets]
        if unknown or len(set(targets)) < len(targets):
            raise InputError(
                "A target is asked for twice." if not unknown else "The model does not predict a target.",
                received=f"--select for {', '.join(targets)}",
                expected=f"each at most once: {', '.join(model.targets)}",
                action="Correct the names.",
            )
        held_out = read_selection_scores(model.path)
        if held_out is None:
            raise InputError(
                "The model cannot tell where a list may end.",
                received=f"{model.path}, which has no {SELECTION_FILE}",
                expected="a model that the pipeline of this version pushed, with labelled validation molecules",
                action="Predict without --select, or train the model again.",
            )
        self._wishes, self._held_out = wishes, held_out
        self._places = [model.targets.index(target) for target in targets]
        # Where nothing is known of the blocks of training, molecules are all alike: none has a block that is new.
        self._knows_blocks = (model.path / TRAINING_BLOCKS_FILE).is_file()
        self._rows = _Rows()
        self._selected: list[pa.Array] = []
        self.told: list[str] = []

    @property
    def columns(self) -> list[pa.Field]:
        """The columns of the selection: true, false, or null where nothing is promised of a row."""
        return [pa.field(selected_name(wish.target), pa.bool_()) for wish in self._wishes]

    def add(self, scored: ScoredRows) -> None:
        """Keep some rows."""
        self._rows.scores.append(
            np.stack([scored.batch.column(place).to_numpy(zero_copy_only=False) for place in self._places], axis=1)
        )
        strata = np.full(len(scored.new_blocks), _NO_STRATUM, np.int8)
        for row, (new_blocks, is_refused) in enumerate(zip(scored.new_blocks, scored.is_refused, strict=True)):
            blocks = new_blocks if self._knows_blocks else ()
            if blocks is not None and not is_refused:
                distinct = set(blocks)
                strata[row] = len(distinct)
                self._rows.new_blocks[len(distinct)] |= distinct
        self._rows.strata.append(strata)

    def finish(self) -> None:
        """Select, once all rows are there; `told` says what."""
        if not self._rows.strata:
            self._selected = [pa.array([], pa.bool_()) for _ in self._wishes]
            return
        scores, strata = np.concatenate(self._rows.scores), np.concatenate(self._rows.strata)
        for number, wish in enumerate(self._wishes):
            ends = {stratum: self._end(number, stratum, strata) for stratum in _STRATA}
            limits = np.array([*ends.values(), np.inf])[strata]  # the last is that of _NO_STRATUM
            promised = np.isfinite(limits) & np.isfinite(scores[:, number])
            chosen = promised & (scores[:, number] >= limits)
            self._selected.append(pa.array(chosen, pa.bool_(), mask=~promised))
            self.told.append(
                f"{wish.target}: {int(chosen.sum()):,} of {strata.size:,} rows selected; of lists like this "
                f"{CONFIDENCE:.0%} hold at least {wish.share:.0%} binders, if binders are as frequent as in validation"
                + (f"; nothing is promised of {int((~promised).sum()):,} rows" if not promised.all() else "")
            )

    def selected(self, start: int, stop: int) -> list[pa.Array]:
        """The columns of some rows, after `finish`."""
        return [column.slice(start, stop - start) for column in self._selected]

    def _end(self, number: int, stratum: int, strata: NDArray[np.int8]) -> float:
        """The lowest score that is selected in a stratum; infinity where nothing can be promised."""
        n_rows = int((strata == stratum).sum())
        if not n_rows:
            return float("inf")
        n_units = len(self._rows.new_blocks[stratum]) if stratum else n_rows
        of_stratum = (self._held_out.new_blocks != NO_BLOCK).sum(axis=1)
        share = self._wishes[number].share
        found = _lowest(self._held_out, of_stratum == stratum, self._places[number], share, n_units)
        if stratum or (of_stratum == 0).any():
            return found
        # Validation has no molecule without new blocks: those with one are harder, and stand in for them.
        return _lowest(self._held_out, of_stratum == 1, self._places[number], share, n_units)


def _lowest(held_out: SelectionScores, rows: NDArray[np.bool_], target: int, share: float, n_units: int) -> float:
    usable = rows & (held_out.labels[:, target] != LABEL_UNKNOWN)
    return lowest_score(
        held_out.probabilities[usable, target],
        held_out.labels[usable, target] == LABEL_POSITIVE,
        held_out.new_blocks[usable],
        share=share,
        n_units=n_units,
    )
