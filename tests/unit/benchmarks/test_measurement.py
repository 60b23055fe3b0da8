"""Measurements set beside their reference."""

import io
import json
import time
from functools import partial

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.measurement import Comparison, Measurement, Work, measure, measure_in_turn, print_comparisons


def test_ratio_is_our_rate_over_the_references() -> None:
    reference = Measurement("plain", items=100, unit="rows", seconds=2.0, peak_bytes=1)
    ours = Measurement("ours", items=300, unit="rows", seconds=1.0, peak_bytes=1)
    comparison = Comparison("merge", reference, (ours,))
    assert comparison.ratio(ours) == pytest.approx(6.0)
    assert comparison.ratio(reference) == pytest.approx(1.0)


def test_measure_returns_the_result_and_sees_memory_that_is_gone_at_the_end() -> None:
    baseline, _ = measure("nothing", 1, "rows", lambda: None)

    def work() -> int:
        block = np.ones(200_000_000, dtype=np.int8)
        time.sleep(1.0)
        return int(block[::1000].sum())

    measurement, result = measure("block", 5, "rows", work)
    assert result == 200_000
    assert measurement.seconds > 0
    assert measurement.peak_bytes > baseline.peak_bytes + 100_000_000


def test_work_is_done_in_turn_and_the_fastest_round_counts() -> None:
    seconds = {"slow once": iter((0.3, 0.01)), "other": iter((0.02, 0.02))}
    order: list[str] = []

    def run(name: str) -> None:
        order.append(name)
        time.sleep(next(seconds[name]))

    works = [Work(name, 3, partial(run, name)) for name in seconds]
    first, second = measure_in_turn(works, "rows", 2)
    assert order == ["slow once", "other"] * 2
    assert (first.name, first.items, first.unit, second.name) == ("slow once", 3, "rows", "other")
    assert first.seconds < 0.3


def test_table_names_every_way_with_its_ratio() -> None:
    reference = Measurement("bare query", items=1000, unit="rows", seconds=1.0, peak_bytes=2_000_000_000)
    ours = Measurement("merge", items=1000, unit="rows", seconds=2.0, peak_bytes=500_000_000)
    text = io.StringIO()
    print_comparisons([Comparison("Merge", reference, (ours,), ("sorted rows",))], Console(file=text, width=120))
    lines = text.getvalue().splitlines()
    assert lines[0].strip() == "Merge"
    assert lines[2].split() == ["bare", "query", "1,000", "rows", "1.00", "1,000/s", "2.00", "GB", "1.00"]
    assert lines[3].split() == ["merge", "1,000", "rows", "2.00", "500/s", "0.50", "GB", "0.50"]
    assert lines[4].strip() == "sorted rows"


def test_command_writes_the_figures(tmp_path_factory: pytest.TempPathFactory) -> None:
    from pipeline.cli.main import app

    out = tmp_path_factory.mktemp("figures") / "vocabulary.json"
    result = CliRunner().invoke(app, ["benchmark", "vocabulary", "--smiles", "2000", "--json", str(out)])
    assert result.exit_code == 0, result.output
    (comparison,) = json.loads(out.read_text())
    assert [row["name"] for row in comparison["measurements"]] == ["atomInSmiles", "scan_tokens"]
    assert comparison["measurements"][1]["items"] == 2000
