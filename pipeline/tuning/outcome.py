"""What a study came to: the trials, what was chosen, and its score on draws that had no say in that."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from scipy.special import stdtrit  # type: ignore[import-untyped]  # SciPy ships no types

_CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Attributes:
        number: Of the trial.
        state: complete, pruned (stopped early) or fail.
        score: Mean over the draws that choose; None where it is not complete.
        seconds: How long it took; None where that is not known.
        values: Key -> value.
        reason: Why it failed.
    """

    number: int
    state: str
    score: float | None
    seconds: float | None
    values: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True)
class Paired:
    """Scores of two configurations on the same draws.

    Attributes:
        draws: Numbers of the draws.
        tuned: Score on each.
        untuned: Likewise.
    """

    draws: tuple[int, ...]
    tuned: tuple[float, ...]
    untuned: tuple[float, ...]

    @property
    def gains(self) -> tuple[float, ...]:
        """What tuning gained on each draw."""
        return tuple(a - b for a, b in zip(self.tuned, self.untuned, strict=True))

    @property
    def ahead(self) -> int:
        """Draws on which the tuned configuration is better."""
        return sum(gain > 0 for gain in self.gains)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of the mean gain (Student's t over draws), or None where one draw cannot tell a spread.

        Draws share molecules, so their gains spread less than those of new libraries would.
        """
        mean, sd = spread(self.gains)
        if sd is None:
            return None
        n_draws = len(self.gains)
        half = float(stdtrit(n_draws - 1, (1 + _CONFIDENCE) / 2)) * sd / n_draws**0.5
        return mean - half, mean + half


@dataclass(frozen=True)
class Outcome:
    """What a study came to.

    Attributes:
        metric: What was tuned for.
        choose: Draws that chose.
        rows: The trials.
        importance: Key -> share of the variance of scores that it explains; empty where it cannot be told.
        chosen: The trial whose values were chosen.
        untuned: Key -> value before.
        reported: Scores on the draws that report, by `metric`.
        cells: `target/group` -> mean over these of the tuned configuration, and of the untuned.
        transformer: Whether the transformer was trained on each draw.
    """

    metric: str
    choose: tuple[int, ...]
    rows: tuple[TrialRow, ...]
    importance: Mapping[str, float]
    chosen: TrialRow
    untuned: Mapping[str, Any]
    reported: Paired
    cells: Mapping[str, tuple[float, float]]
    transformer: bool

    @property
    def is_changed(self) -> bool:
        """Whether other values than the untuned ones were chosen."""
        return dict(self.chosen.values) != dict(self.untuned)

    @property
    def advice(self) -> str:
        """What the score on the draws that report says of the choice."""
        if not self.is_changed:
            return "no trial was better than the untuned configuration, which was chosen"
        if spread(self.reported.gains)[0] <= 0:
            return "no gain on the draws that report: keep the untuned configuration"
        interval = self.reported.interval
        if interval is None:
            return "a gain on one draw, which cannot tell it from chance: report on more draws"
        if interval[0] > 0:
            return "the tuned configuration is better on the draws that report"
        within = f"the gain is within what draws differ by (95% interval {interval[0]:+.4f} to {interval[1]:+.4f})"
        return f"{within}: keep the untuned configuration, or report on more draws"

    def counted(self) -> str:
        """How many trials ended how."""
        names = {"complete": "complete", "pruned": "stopped early", "fail": "failed"}
        found = {name: sum(row.state == state for row in self.rows) for state, name in names.items()}
        return ", ".join(f"{count} {name}" for name, count in found.items() if count)

    def as_dict(self) -> dict[str, Any]:
        """The content of tune.json."""
        gain = spread(self.reported.gains)
        return {
            **asdict(self),
            "advice": self.advice,
            "gain": {"mean": gain[0], "sd": gain[1], "interval": self.reported.interval, "ahead": self.reported.ahead},
        }


def spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean, and standard deviation where there are two values or more."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def shown_spread(values: Sequence[float], sign: str = "") -> str:
    """Mean and standard deviation as text."""
    mean, sd = spread(values)
    return f"{mean:{sign}.4f}" + ("" if sd is None else f" (sd {sd:.4f})")
