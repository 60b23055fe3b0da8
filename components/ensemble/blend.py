"""How members' scores become one probability: a line for each member, then weights that are never negative."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN
from belka.models.calibration import Calibration
from belka.models.logistic import fit_bounded_logistic
from belka.models.members import MEMBERS
from components.ensemble.library import Floats

_GRID: Final = 21
_RIDGE: Final = 1e-4  # keeps weights of members that say the same equal


class Line(NamedTuple):
    """Log-odds of a score: slope * score + offset.

    Attributes:
        slope: float32 [n_targets], not negative.
        offset: float32 [n_targets].
    """

    slope: Floats
    offset: Floats


@dataclass(frozen=True)
class Blend:
    """What turns members' scores into one probability.

    Attributes:
        lines: Member beside the transformer -> what makes log-odds of its scores.
        weights: float32 [n_targets, n_members], of the members in the order of `lines`.
        offsets: float32 [n_targets], added to their weighted sum.
        text_weights: Likewise of the members that need no blocks, for molecules that have none.
        text_offsets: Likewise.
        transformer_share: The transformer's share of the log-odds, from 0 to 1; the others have the rest.
        transformer_text_share: Likewise where a molecule has no blocks.
        calibration: What is done to the log-odds of all; None = nothing.
    """

    lines: Mapping[str, Line]
    weights: Floats
    offsets: Floats
    text_weights: Floats
    text_offsets: Floats
    transformer_share: float
    transformer_text_share: float
    calibration: Calibration | None = None

    @property
    def from_text(self) -> tuple[bool, ...]:
        """Whether each member can score a molecule without blocks."""
        return tuple(not MEMBERS[kind].reads_blocks for kind in self.lines)

    def whole_odds(self, members: Floats) -> Floats:
        """Log-odds of all but the transformer, float32 [n, n_targets], of theirs, float32 [n, n_targets, n_members]."""
        return np.asarray((members * self.weights).sum(axis=2) + self.offsets, np.float32)

    def text_odds(self, members: Floats) -> Floats:
        """Likewise of those that need no blocks."""
        return np.asarray(
            (members[:, :, self.from_text] * self.text_weights).sum(axis=2) + self.text_offsets, np.float32
        )

    def odds(self, members: Floats, transformer: Floats, has_blocks: NDArray[np.bool_]) -> Floats:
        """Log-odds of all before they are calibrated, float32 [n, n_targets].

        Args:
            members: float32 [n, n_targets, n_members], see `lines`.
            transformer: float32 [n, n_targets].
            has_blocks: bool [n].
        """
        share, text_share = self.transformer_share, self.transformer_text_share
        whole = (1 - share) * self.whole_odds(members) + share * transformer
        text = (1 - text_share) * self.text_odds(members) + text_share * transformer
        return np.where(has_blocks[:, None], whole, text)


def fit_lines(scores: Floats, binds: NDArray[np.int8]) -> Line:
    """Turn a member's scores into log-odds.

    Args:
        scores: float32 [n, n_targets], of molecules whose labels the member did not see; NaN = not scored.
        binds: int8 [n, n_targets], labels.

    Source: Platt: Probabilistic outputs for support vector machines (1999).
    """
    fits = [_logistic(scores[:, [target]], binds[:, target]) for target in range(binds.shape[1])]
    slopes, offsets = zip(*((weights[0], offset) for weights, offset in fits), strict=True)
    return Line(np.array(slopes, np.float32), np.array(offsets, np.float32))


def fit_weights(odds: Floats, binds: NDArray[np.int8]) -> tuple[Floats, Floats]:
    """Blend members' log-odds.

    Args:
        odds: float32 [n, n_targets, n_members], of molecules whose labels no member saw; NaN = not scored.
        binds: int8 [n, n_targets], labels.

    Returns:
        Weights, float32 [n_targets, n_members], none negative; offsets, float32 [n_targets].
    """
    fits = [_logistic(odds[:, target], binds[:, target]) for target in range(binds.shape[1])]
    return np.stack([weights for weights, _ in fits]), np.array([offset for _, offset in fits], np.float32)


def choose_share(
    first: Floats, second: Floats, binds: NDArray[np.int8], groups: NDArray[np.int8]
) -> tuple[float, float]:
    """Choose the second's share of the log-odds of two on molecules that neither saw.

    Args:
        first: float32 [n, n_targets], log-odds.
        second: Likewise.
        binds: int8 [n, n_targets], labels.
        groups: int8 [n], the split group of each molecule.

    Returns:
        Of 21 shares from 0 to 1 the one with the best average precision, meaned over targets and groups, the smaller
        of equals; and that average precision. NaN and NaN where no target has both labels.
    """
    shares = np.linspace(0.0, 1.0, _GRID)
    scores = [mean_precision((1 - share) * first + share * second, binds, groups) for share in shares]
    if np.isnan(scores).all():
        return float("nan"), float("nan")
    best = int(np.nanargmax(scores))
    return float(shares[best]), scores[best]


def mean_precision(scores: Floats, binds: NDArray[np.int8], groups: NDArray[np.int8]) -> float:
    """Average precision, meaned over the targets and groups that have both labels; NaN where none has."""
    found = []
    for target in range(binds.shape[1]):
        for group in np.unique(groups):
            rows = (groups == group) & (binds[:, target] != LABEL_UNKNOWN)
            hits = binds[rows, target] == LABEL_POSITIVE
            if hits.any() and not hits.all():
                found.append(average_precision_score(hits, scores[rows, target]))
    return float(np.mean(found)) if found else float("nan")


def _logistic(columns: Floats, labels: NDArray[np.int8]) -> tuple[Floats, float]:
    """Weights, none negative, and offset of a logistic regression on the rows that are known and scored."""
    usable = (labels != LABEL_UNKNOWN) & np.isfinite(columns).all(axis=1)
    x, hits = columns[usable].astype(np.float64), (labels[usable] == LABEL_POSITIVE).astype(np.float64)
    n_columns = columns.shape[1]
    prior = np.log((hits.sum() + 0.5) / (len(hits) - hits.sum() + 0.5))
    if not len(hits) or hits.all() or not hits.any():
        return np.full(n_columns, 1.0 / max(n_columns, 1), np.float32), float(prior)
    weights, offset = fit_bounded_logistic(x, hits, ridge=_RIDGE)
    return weights.astype(np.float32), offset


def binary_loss(odds: Floats, binds: NDArray[np.int8]) -> Floats:
    """Mean cross-entropy of the known labels that were scored, float64 [n_targets]; 0 where there is none."""
    usable = (binds != LABEL_UNKNOWN) & np.isfinite(odds)
    scores = np.where(usable, odds, 0.0)
    losses = np.logaddexp(0.0, scores) - (binds == LABEL_POSITIVE) * scores
    return np.asarray((losses * usable).sum(axis=0) / np.maximum(usable.sum(axis=0), 1))
