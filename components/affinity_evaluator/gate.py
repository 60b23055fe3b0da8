"""Whether a model may go into production, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.affinity_evaluator.slices import SliceMetrics


@dataclass(frozen=True)
class Verdict:
    """The decision about one model.

    Args:
        blessed: Whether the model may be pushed.
        reasons: What speaks against it; empty when `blessed`.
    """

    blessed: bool
    reasons: tuple[str, ...]


def judge(
    slices: Sequence[SliceMetrics],
    mean: float | None,
    *,
    unusable_predictions: int,
    min_mean_average_precision: float,
) -> Verdict:
    """Check a model against absolute floors.

    Args:
        slices: Metrics of every slice.
        mean: Mean average precision over the slices that exist; None when there is none.
        unusable_predictions: Predictions that are not finite or outside [0, 1], of known and unknown labels alike.
        min_mean_average_precision: Floor of the mean, from 0 to 1; a mean equal to it passes.

    Returns:
        The verdict. A model that could not be measured is not blessed, whatever the floor.
    """
    reasons: list[str] = []
    if unusable_predictions:
        reasons.append(f"{unusable_predictions} predictions are not finite numbers from 0 to 1.")
    if mean is None:
        absent = "; ".join(f"{s.target} {s.split_group}: {s.reason}" for s in slices)
        reasons.append(f"The model could not be measured: {absent}.")
    elif mean < min_mean_average_precision:
        reasons.append(
            f"The mean average precision {mean:.4f} is below the floor min_mean_average_precision {min_mean_average_precision}."
        )
    return Verdict(blessed=not reasons, reasons=tuple(reasons))
