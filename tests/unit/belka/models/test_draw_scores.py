"""draws.parquet: what is written is read, and a damaged file says so."""

from pathlib import Path

import numpy as np
import pytest

from belka.contract import DRAWS_FILE
from belka.errors import BelkaError
from belka.models.draw_scores import DrawScores, read_draw_scores, write_draw_scores


def draws() -> list[DrawScores]:
    generator = np.random.default_rng(0)
    return [
        DrawScores(
            np.sort(generator.permutation(100)[:size]),
            generator.integers(0, 2, size).astype(np.int8),
            generator.random((size, 3)).astype(np.float32),
        )
        for size in (5, 8)
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_draw_scores(draws(), tmp_path)
    for found, expected in zip(read_draw_scores(tmp_path), draws(), strict=True):
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.groups, expected.groups)
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_no_file_is_no_draws(tmp_path: Path) -> None:
    assert read_draw_scores(tmp_path) == []


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    write_draw_scores(draws(), tmp_path)
    (tmp_path / DRAWS_FILE).write_bytes((tmp_path / DRAWS_FILE).read_bytes()[:-40])
    with pytest.raises(BelkaError, match="draws cannot be read"):
        read_draw_scores(tmp_path)
