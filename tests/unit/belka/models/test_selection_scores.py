"""selection.parquet: what it holds, and what is said of a damaged one."""

from pathlib import Path

import numpy as np
import pytest

from belka.contract import LABEL_UNKNOWN, SELECTION_FILE
from belka.errors import InputError
from belka.models import selection_scores as module
from belka.models.selection_scores import SelectionScores, read_selection_scores, write_selection_scores

GENERATOR = np.random.default_rng(1)
IDS = np.arange(100, 400)
SCORES = SelectionScores(
    GENERATOR.random((300, 2)).astype(np.float32),
    GENERATOR.integers(0, 3, (300, 2)).astype(np.int8),
    GENERATOR.integers(-1, 9, (300, 3)).astype(np.int32),
)


def rows(scores: SelectionScores) -> set[bytes]:
    columns = zip(scores.probabilities, scores.labels, scores.new_blocks, strict=True)
    return {b"".join(each.tobytes() for each in row) for row in columns}


def test_it_holds_what_has_a_label_and_a_score(tmp_path: Path) -> None:
    probabilities = SCORES.probabilities.copy()
    probabilities[5, 1] = np.nan
    write_selection_scores(SelectionScores(probabilities, SCORES.labels, SCORES.new_blocks), IDS, tmp_path)
    found = read_selection_scores(tmp_path)
    assert found is not None
    kept = (SCORES.labels != LABEL_UNKNOWN).any(axis=1)
    kept[5] = False
    expected = SelectionScores(SCORES.probabilities[kept], SCORES.labels[kept], SCORES.new_blocks[kept])
    assert rows(found) == rows(expected)
    assert [each.dtype for each in (found.probabilities, found.labels, found.new_blocks)] == [
        np.dtype(np.float32),
        np.dtype(np.int8),
        np.dtype(np.int32),
    ]


def test_of_many_it_holds_the_same_ones_in_whatever_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MOLECULES", 50)
    order = GENERATOR.permutation(300)
    shuffled = SelectionScores(SCORES.probabilities[order], SCORES.labels[order], SCORES.new_blocks[order])
    for name, scores, ids in (("a", SCORES, IDS), ("b", shuffled, IDS[order])):
        (tmp_path / name).mkdir()
        write_selection_scores(scores, ids, tmp_path / name)
    found = read_selection_scores(tmp_path / "a")
    assert found is not None
    assert len(found.labels) == 50
    assert (tmp_path / "a" / SELECTION_FILE).read_bytes() == (tmp_path / "b" / SELECTION_FILE).read_bytes()


def test_without_labels_there_is_no_file(tmp_path: Path) -> None:
    unknown = np.full_like(SCORES.labels, LABEL_UNKNOWN)
    write_selection_scores(SelectionScores(SCORES.probabilities, unknown, SCORES.new_blocks), IDS, tmp_path)
    assert read_selection_scores(tmp_path) is None


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    write_selection_scores(SCORES, IDS, tmp_path)
    file = tmp_path / SELECTION_FILE
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match="scores of held-out molecules"):
        read_selection_scores(tmp_path)
