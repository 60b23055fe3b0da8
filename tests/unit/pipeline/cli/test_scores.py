"""The scores of a few molecules on a terminal: every value that is there, within 80 columns."""

import io

import pyarrow as pa
import pytest
from rich.console import Console

from pipeline.cli.scores import print_scores

SMILES = "C" * 90 + "[Dy]"


@pytest.fixture(name="lines")
def lines_() -> list[str]:
    stream = io.StringIO()
    scores = pa.table(
        {
            "smiles": [SMILES, "[x]"],
            "probability_BRD4": [0.0000277, None],
            "probability_HSA": [0.381, None],
            "spread_BRD4": [0.0130, None],
            "spread_HSA": [None, None],
            "problem": ["", "no molecule: [x] " + "y" * 100],
            "warning": ["", ""],
            "unknown_tokens": [0, None],
            "block_similarity": [0.5, None],
            "new_blocks": [1, None],
        }
    )
    print_scores(Console(file=stream, width=80), scores, ("BRD4", "HSA"))
    return [" ".join(line.split()) for line in stream.getvalue().splitlines()]


def test_each_target_has_a_line(lines: list[str]) -> None:
    assert "BRD4 probability 0.000028, spread 0.013" in lines
    assert "HSA probability 0.38" in lines


def test_smiles_stays_whole_to_be_copied_and_is_no_markup(lines: list[str]) -> None:
    assert lines[0] == SMILES
    assert "[x]" in lines


def test_what_is_known_besides_is_told_and_what_is_not_is_left_out(lines: list[str]) -> None:
    assert {"unknown tokens 0", "block similarity 0.5", "new blocks 1"} <= set(lines)
    assert sum(line.startswith("problem") for line in lines) == 1
    assert not any(line.startswith("warning") for line in lines)
    assert not any("None" in line for line in lines)
    assert max(len(line) for line in lines if line != SMILES) <= 80
