"""Whether a model may go into production, and why not."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from belka.errors import InputError
from components.affinity_evaluator.bootstrap import Interval
from components.affinity_evaluator.measurement import Measurement
from components.affinity_evaluator.settings import GateSettings
from components.affinity_evaluator.slices import SliceMetrics

MEAN: Final = "mean"
# Differences of the mean average precision below this are rounding.
TIE: Final = 1e-6
WAY_OUT: Final = (
    "To judge the new model by the floors alone, and so replace the one in production, set "
    "evaluation.replace_champion=true once."
)
TO_BEAT_IT: Final = (
    "To try: further members (model.members), a longer training (training.epochs, training.patience), all stages "
    "(training.stages), a larger model (model.depth, model.num_layers), more data. To push such a model all the same, "
    "take the name out of evaluation.must_beat."
)


@dataclass(frozen=True)
class Gain:
    """How much more average precision a model has than another, on the same molecules.

    Attributes:
        name: Name of the slice; `MEAN` for the mean.
        value: The difference; negative where the model is worse.
        interval: Bootstrap interval of the difference, both models on the same resamples; None where there is none.
    """

    name: str
    value: float
    interval: Interval | None


@dataclass(frozen=True)
class ChampionComparison:
    """The model in production on the same data.

    Attributes:
        version: Folder of its pushed version.
        digest: Digest of its files.
        same_model: Whether it is the very model that is judged.
        problem: Why it could not be measured; empty when it was.
        scored_by: Signature that scored it; empty when it was not scored anew.
        molecules: Validation molecules that neither model saw in training; both are compared on these alone.
        mean_average_precision: Its mean; None when it could not be measured.
        slices: Its metrics of every slice; empty when it could not be measured.
        judged_mean: Mean of the judged model on the same molecules.
        judged_slices: Metrics of the judged model on the same molecules.
        gains: What the judged model gains on the mean and on each slice that both have; empty for the very model.
    """

    version: str
    digest: str
    same_model: bool = False
    problem: str = ""
    scored_by: str = ""
    molecules: int = 0
    mean_average_precision: float | None = None
    slices: tuple[SliceMetrics, ...] = ()
    judged_mean: float | None = None
    judged_slices: tuple[SliceMetrics, ...] = ()
    gains: tuple[Gain, ...] = ()


@dataclass(frozen=True)
class BaselineComparison:
    """A baseline on the same data.

    Attributes:
        description: What it is, with what was chosen in training.
        mean_average_precision: Its mean; None where no slice exists.
        mean_interval: Bootstrap interval of the mean.
        slices: Its metrics of every slice.
        gains: What the judged model gains over it on the mean and on each slice that both have.
    """

    description: str
    mean_average_precision: float | None
    mean_interval: Interval | None
    slices: tuple[SliceMetrics, ...]
    gains: tuple[Gain, ...]


@dataclass(frozen=True)
class BaselineComparisons:
    """All baselines, trained on the same rows.

    Attributes:
        trained_on: Molecules they were trained on.
        labelled: Training molecules with a label; more than `trained_on` where that is a sample of them.
        models: Name, as `must_beat` has it -> the baseline.
    """

    trained_on: int
    labelled: int
    models: Mapping[str, BaselineComparison] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The decision about one model.

    Attributes:
        blessed: Whether the model may be pushed.
        reasons: What speaks against it; empty when `blessed`.
    """

    blessed: bool
    reasons: tuple[str, ...]


def judge(
    measured: Measurement,
    champion: ChampionComparison | None,
    settings: GateSettings,
    baselines: BaselineComparisons | None = None,
) -> Verdict:
    """Check a model against absolute floors, against baselines and against the model in production.

    Against the champion, on molecules that neither saw in training, it must be better on the mean and must not lose
    more than `max_slice_regression` on any slice; a tie keeps the champion. A champion that cannot be measured lets
    nothing through: the gate would otherwise open by accident. The champion itself, judged again, faces the floors
    and the baselines alone, and so does any model with `replace_champion`. A tie with a baseline does not beat it: what
    costs more has to bring more.

    Args:
        measured: The model on the validation data.
        champion: The model in production; None when there is none.
        settings: The floors, and the baselines to beat.
        baselines: The baselines; None where none were trained.

    Returns:
        The verdict. A model that could not be measured is not blessed, whatever the floors.

    Raises:
        InputError: A floor names a slice that cannot exist.
    """
    reasons = [*_below_floors(measured, settings), *_not_above_baselines(measured, baselines, settings)]
    if champion is not None and not champion.same_model and not settings.replace_champion:
        reasons += _not_better(champion, settings)
    return Verdict(blessed=not reasons, reasons=tuple(reasons))


def _below_floors(measured: Measurement, settings: GateSettings) -> list[str]:
    reasons: list[str] = []
    if measured.unusable_predictions:
        reasons.append(f"{measured.unusable_predictions} predictions are not finite numbers from 0 to 1.")
    mean, floor = measured.mean_average_precision, settings.min_mean_average_precision
    if mean is None:
        absent = "; ".join(f"{s.target} {s.split_group}: {s.reason}" for s in measured.slices)
        reasons.append(f"The model could not be measured: {absent}.")
    elif mean < floor:
        reasons.append(f"The mean average precision {mean:.4f} is below the floor min_mean_average_precision {floor}.")
    slices = {s.name: s for s in measured.slices}
    for name, least in settings.slice_floors.items():
        if name not in slices:
            raise InputError(
                "A floor names a slice that does not exist.",
                received=f"evaluation.slice_floors: {name}",
                expected=f"one of {', '.join(slices)}",
                action="Correct the name.",
            )
        value, reason = slices[name].average_precision, slices[name].reason
        if value is None:
            reasons.append(f"{name} has the floor {least} but could not be measured: {reason}.")
        elif value < least:
            reasons.append(f"The average precision {value:.4f} of {name} is below its floor {least}.")
    return reasons


def _not_above_baselines(
    measured: Measurement, baselines: BaselineComparisons | None, settings: GateSettings
) -> list[str]:
    reasons: list[str] = []
    mean = measured.mean_average_precision
    for name in settings.must_beat if mean is not None else ():
        baseline = baselines.models.get(name) if baselines else None
        if baseline is None or baseline.mean_average_precision is None:
            reasons.append(f"evaluation.must_beat names the baseline {name}, which could not be measured.")
        elif mean is not None and mean <= baseline.mean_average_precision + TIE:
            gain = next(gain for gain in baseline.gains if gain.name == MEAN)
            sure = f", {gain.interval.low:+.4f} to {gain.interval.high:+.4f}" if gain.interval else ""
            reasons.append(
                f"The mean average precision {mean:.4f} does not exceed the {baseline.mean_average_precision:.4f} of "
                f"the baseline {name}, {baseline.description}: a gain of {gain.value:+.4f}{sure}. {TO_BEAT_IT}"
            )
    return reasons


def _not_better(champion: ChampionComparison, settings: GateSettings) -> list[str]:
    if champion.problem:
        return [f"The model in production, version {champion.version}, cannot be compared: {champion.problem}"]
    reasons: list[str] = []
    mean, to_beat = champion.judged_mean, champion.mean_average_precision
    if mean is None or to_beat is None:
        problem = f"none of the slices of {champion.molecules:,} molecules can be measured. {WAY_OUT}"
        return [f"The model in production, version {champion.version}, cannot be compared: {problem}"]
    if math.isclose(mean, to_beat, rel_tol=0, abs_tol=TIE):
        reasons.append(
            f"It ties with the model in production, version {champion.version}, which stays: both have the mean "
            f"average precision {mean:.4f}."
        )
    elif mean < to_beat:
        reasons.append(
            f"The mean average precision {mean:.4f} is below the {to_beat:.4f} of the model in production, "
            f"version {champion.version}."
        )
    allowed = settings.max_slice_regression
    champions = {part.name: part.average_precision for part in champion.slices}
    for part in champion.judged_slices:
        value, before = part.average_precision, champions.get(part.name)
        if value is not None and before is not None and value < before - allowed:
            reasons.append(
                f"{part.name} loses {before - value:.4f} average precision ({before:.4f} to {value:.4f}) against the "
                f"model in production; max_slice_regression allows {allowed}."
            )
    return reasons
