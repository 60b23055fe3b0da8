"""The benchmark of the evaluation measures what an evaluation does, on blocks that are new."""

from pathlib import Path

from belka.contract import DEFAULT_TARGETS, PREDICTIONS_FILE
from benchmarks.evaluate import measure_evaluation, write_predictions
from components.affinity_evaluator.bootstrap import BootstrapSettings
from components.affinity_evaluator.measurement import Measuring
from components.affinity_evaluator.units import NewBlocks


def test_every_part_is_measured_and_intervals_resample_blocks(tmp_path: Path) -> None:
    write_predictions(tmp_path, 3_000, positives=0.1)
    measured = measure_evaluation(tmp_path, n_samples=3)
    assert [part.name for part in measured] == [
        "block ids",
        "metrics, 3 resamples",
        "figure of precision",
        "blocks that drive",
        "ladders",
        "reliability",
    ]
    assert all(part.items == 3_000 for part in measured)
    measuring = Measuring(DEFAULT_TARGETS, BootstrapSettings(2), NewBlocks.read(tmp_path))
    units = measuring.measure(tmp_path / PREDICTIONS_FILE).units
    assert (units["non_shared"].kind, units["non_shared"].number) == ("blocks", 34)
    assert units["shared"].kind == "molecules"
