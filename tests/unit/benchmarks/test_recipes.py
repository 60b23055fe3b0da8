"""The table of paired differences."""

import json
from pathlib import Path

from benchmarks.recipe_table import BEST_SINGLE, BLEND, WHOLE_BLEND, blend_lines, named, table_lines


def _write(results: Path, values: dict[tuple[str, int], float]) -> None:
    rows = [
        {"model": model, "seed": draw, "cells": {"A/shared": mean}, "mean": mean, "seconds": 2.0}
        for (model, draw), mean in values.items()
    ]
    results.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_differences_are_paired_by_draw(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    values = {(BEST_SINGLE, 1): 0.9, (BEST_SINGLE, 2): 0.8, (BLEND, 2): 0.83, (BLEND, 1): 0.91, (BLEND, 3): 0.1}
    _write(results, values)
    assert list(table_lines(results, [1, 2, 3]))[-1] == (
        "| blend | 0.8700 | 0.0566 | +0.0200 | 0.0141 | 2 of 2 | 2 |"  # draw 3 has no single model to pair with
    )
    assert list(blend_lines(results, [1, 2, 3])) == [
        "blend by draw: 1 +0.0100, 2 +0.0300",
        "blend, A/shared: +0.0200 ± 0.0100",
    ]
    assert list(blend_lines(results, [4])) == []


def test_what_few_molecules_teach_is_compared_with_what_they_teach_the_best_single_model(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    values = {(BEST_SINGLE, 1): 0.9, (named(BEST_SINGLE, 50), 1): 0.5, (named(BLEND, 50), 1): 0.6}
    _write(results, values)
    assert list(table_lines(results, [1]))[-1].startswith("| blend @ 50 | 0.6000 | nan | +0.1000 |")
    assert list(blend_lines(results, [1])) == []


def test_what_the_transformer_adds_is_paired_by_draw(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    values = {(name, draw): 0.5 for name in (BEST_SINGLE, BLEND) for draw in (1, 2, 3)}
    _write(results, values | {(WHOLE_BLEND, 2): 0.51, (WHOLE_BLEND, 1): 0.47})
    assert list(blend_lines(results, [1, 2, 3]))[-1] == (
        "the transformer in the blend: -0.0100, sd 0.0283, ahead on 1 of 2"
    )
