"""Compare finished runs: settings that differ, scores on the same molecules and the same resamples, gains."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.affinity_evaluator.bootstrap import BootstrapSettings, Interval
from components.affinity_evaluator.gains import gains_over
from components.affinity_evaluator.gate import MEAN, Gain
from components.affinity_evaluator.measurement import Measurement, measure
from pipeline.comparison.finished_run import FinishedRun
from pipeline.comparison.shared_molecules import SharedMolecules, share_molecules


@dataclass(frozen=True)
class Difference:
    """A setting that not all runs have alike.

    Attributes:
        name: As `--set` takes it.
        values: Of each run; None where it has no value.
    """

    name: str
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: The runs; the others are compared with the first.
        differences: Settings that differ, by name.
        shared: What they are measured on.
        measured: Scores of each run on it.
        gains: Of each run but the first: what it gains over the first, on the mean and by slice.
        bootstrap: How intervals are computed.
    """

    runs: tuple[FinishedRun, ...]
    differences: tuple[Difference, ...]
    shared: SharedMolecules
    measured: tuple[Measurement, ...]
    gains: tuple[tuple[Gain, ...], ...]
    bootstrap: BootstrapSettings


@dataclass(frozen=True)
class ScoreRow:
    """Average precision of the runs, on the mean or on one slice.

    Attributes:
        name: Name of the slice, or `MEAN`.
        molecules: Molecules of a known label; None for the mean.
        positives: Binders among them; None for the mean.
        values: Of each run, with its interval; None where it could not be measured.
        gains: Of each run but the first.
    """

    name: str
    molecules: int | None
    positives: int | None
    values: tuple[tuple[float | None, Interval | None], ...]
    gains: tuple[Gain | None, ...]


def score_rows(comparison: Comparison) -> list[ScoreRow]:
    """The scores of a comparison, the mean first."""
    measured = comparison.measured
    means = tuple((each.mean_average_precision, each.mean_interval) for each in measured)
    rows = [ScoreRow(MEAN, None, None, means, _gains_on(comparison, MEAN))]
    for parts in zip(*(each.slices for each in measured), strict=True):
        values = tuple(
            (part.average_precision, part.intervals.average_precision if part.intervals else None) for part in parts
        )
        name = parts[0].name
        rows.append(ScoreRow(name, parts[0].n, parts[0].positives, values, _gains_on(comparison, name)))
    return rows


def _gains_on(comparison: Comparison, name: str) -> tuple[Gain | None, ...]:
    return tuple(next((gain for gain in gains if gain.name == name), None) for gains in comparison.gains)


def compare_runs(runs: Sequence[FinishedRun]) -> Comparison:
    """Compare runs with the first of them.

    Args:
        runs: Two or more. The first decides how intervals are computed.

    Raises:
        InputError: They have no target or no held-out molecule in common.
    """
    shared = share_molecules(runs)
    config = runs[0].config
    bootstrap = config.evaluation.bootstrap(config.system.seed)
    measured = [
        measure(predictions, targets=shared.targets, bootstrap=bootstrap, new_blocks=shared.new_blocks)
        for predictions in shared.predictions
    ]
    return Comparison(
        runs=tuple(runs),
        differences=_differences(runs),
        shared=shared,
        measured=tuple(measured),
        gains=tuple(gains_over(measured[0], each, bootstrap) for each in measured[1:]),
        bootstrap=bootstrap,
    )


def _differences(runs: Sequence[FinishedRun]) -> tuple[Difference, ...]:
    settings = [run.settings() for run in runs]
    names = sorted(set().union(*settings))
    rows = [Difference(name, tuple(values.get(name) for values in settings)) for name in names]
    return tuple(row for row in rows if len(set(row.values)) > 1)


def measured_on(comparison: Comparison) -> str:
    """Say on which molecules the runs are compared, in sentences."""
    shared, runs = comparison.shared, comparison.runs
    held_out = ", ".join(f"{run.name} {n:,}" for run, n in zip(runs, shared.held_out, strict=True))
    if shared.same_table and all(n == shared.number for n in shared.held_out):
        said = f"All runs are measured on the same {shared.number:,} validation molecules."
    else:
        said = f"The runs are measured on the {shared.number:,} molecules that all of them held out ({held_out})."
    if shared.other_group:
        said += f" {shared.other_group:,} more are left out: to some runs all of their blocks are known, to others not."
    if shared.other_labels:
        said += f" {shared.other_labels:,} labels are left out as the runs' raw files differ in them."
    unit = comparison.measured[0].units.get("non_shared")
    drawn = f"{unit.number:,} new building blocks" if unit and unit.kind == "blocks" else "molecules"
    return (
        f"{said} Intervals ({comparison.bootstrap.confidence:.0%}) of gains are of both runs on the same resamples, of "
        f"{drawn} where a block is new and of molecules elsewhere. A gain whose interval holds 0 may be chance, and "
        "another seed of training changes the figures as well."
    )
