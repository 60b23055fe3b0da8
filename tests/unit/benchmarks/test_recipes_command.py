"""`belka benchmark recipes`: which draws are meant, and what was measured before."""

import json
from pathlib import Path

from typer.testing import CliRunner

from benchmarks.cli import app
from benchmarks.recipe_table import BEST_SINGLE, BLEND


def test_what_was_measured_before_is_printed_without_measuring(tmp_path: Path) -> None:
    rows = [
        {"model": model, "seed": draw, "cells": {"BRD4/shared": mean}, "mean": mean, "seconds": 1.0}
        for draw, best, blend in [(11, 0.75, 0.76), (12, 0.5, 0.53), (13, 0.5, 0.4)]
        for model, mean in [(BEST_SINGLE, best), (BLEND, blend)]
    ]
    (tmp_path / "recipes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    folders = ["--raw-dir", "no_such_folder", "--work-dir", str(tmp_path)]
    printed = CliRunner().invoke(app, ["recipes", *folders, "--draws", "11-12", "--table"])
    assert printed.exit_code == 0, printed.output
    assert "| blend | 0.6450 |" in printed.output
    assert "+0.0200" in printed.output  # the mean of 0.01 and 0.03: draw 13 was not asked for
    assert "2 of 2" in printed.output
