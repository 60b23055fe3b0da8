"""Several draws: what the members and the baselines reach on molecules held out of training again and again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belka.contract import SplitGroup
from belka.models.draw_scores import DrawScores
from belka.progress import counted
from components.affinity_evaluator.baselines.models import FITTERS, Training
from components.affinity_evaluator.baselines.rows import Rows
from components.affinity_evaluator.predictions import Predictions
from components.affinity_evaluator.settings import BaselineName
from components.affinity_evaluator.slices import mean_average_precision, slice_metrics

_MEMBERS: Final = "members"


@dataclass(frozen=True)
class Spread:
    """Values of several draws.

    Attributes:
        mean: Their mean.
        sd: Their standard deviation, of a sample; None of one draw.
        above_zero: How many are above 0.
        values: The values, a draw each.
    """

    mean: float
    sd: float | None
    above_zero: int
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Sum values up; at least one."""
        found = np.array(values)
        sd = float(found.std(ddof=1)) if len(found) > 1 else None
        return cls(float(found.mean()), sd, int((found > 0).sum()), tuple(map(float, found)))


@dataclass(frozen=True)
class DrawnComparisons:
    """Mean average precision over several draws of the training molecules.

    Attributes:
        molecules: Held-out molecules that were scored, in all draws together.
        members: What the blend of the members beside the transformer has.
        baselines: Name -> what the baseline has.
        gains: Name -> what the blend gains over it, draw by draw.
    """

    molecules: int
    members: Spread
    baselines: Mapping[BaselineName, Spread] = field(default_factory=dict)
    gains: Mapping[BaselineName, Spread] = field(default_factory=dict)


def compare_draws(draws: Sequence[DrawScores], training: Training) -> DrawnComparisons | None:
    """Train every baseline on what each draw leaves, and compare it with the members on what the draw holds out.

    Args:
        draws: What the members said.
        training: The labelled training molecules. Held-out molecules that are not among them, because they are a
            sample, count for neither.

    Returns:
        The comparison, over the draws in which something can be measured; None where there is no such draw.
    """
    scores: dict[str, list[float]] = {}
    molecules = 0
    for draw in counted(draws, "training baselines on draws", "draws", len(draws)):
        known = np.isin(draw.ids, training.rows.ids)
        ids, groups, mine = draw.ids[known], draw.groups[known], draw.probabilities[known]
        order = np.argsort(training.rows.ids)
        places = order[np.searchsorted(training.rows.ids[order], ids)]
        held_out = _taken(training.rows, places)
        own = _mean(Predictions(ids, groups, held_out.labels, mine), training.targets)
        if own is None:
            continue
        left = replace(training, rows=_taken(training.rows, np.flatnonzero(~np.isin(training.rows.ids, draw.ids))))
        scores.setdefault(_MEMBERS, []).append(own)
        molecules += len(ids)
        for name, fit in FITTERS.items():
            found = Predictions(ids, groups, held_out.labels, fit(left).predict(held_out))
            scores.setdefault(name, []).append(_mean(found, training.targets) or 0.0)
    if not molecules:
        return None
    gains = {name: np.subtract(scores[_MEMBERS], scores[name]) for name in FITTERS}
    return DrawnComparisons(
        molecules,
        Spread.of(scores[_MEMBERS]),
        {name: Spread.of(scores[name]) for name in FITTERS},
        {name: Spread.of(values.tolist()) for name, values in gains.items()},
    )


def _mean(predictions: Predictions, targets: Sequence[str]) -> float | None:
    """Mean average precision over targets and split groups; None where no slice has both labels."""
    slices = []
    for group in SplitGroup:
        part = predictions.where(predictions.groups == group)
        for index, target in enumerate(targets):
            _, labels, probabilities = part.of_target(index)
            slices.append(slice_metrics(target, group.label, labels, probabilities))
    return mean_average_precision(slices)


def _taken(rows: Rows, places: NDArray[np.int64]) -> Rows:
    return Rows(rows.ids[places], rows.packed[places], rows.blocks[places], rows.labels[places])
