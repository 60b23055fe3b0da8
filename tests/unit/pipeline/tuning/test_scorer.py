"""A score that is kept is believed only as it was written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.config.files import load_config
from pipeline.tuning.draw_task import DrawTask
from pipeline.tuning.scorer import SCORES_FOLDER, Scorer
from pipeline.tuning.worker import OnValidation, Worker

CELLS = {"BRD4/shared": 0.75, "BRD4/non_shared": float("nan")}


class _Counted(Worker):
    """Scores at once, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.scored = 0

    def score(self, task: DrawTask, on_validation: OnValidation, deadline: float | None) -> dict[str, float]:
        """See Worker."""
        del task, on_validation, deadline
        self.scored += 1
        return dict(CELLS)


def _scorer(folder: Path) -> tuple[Scorer, _Counted]:
    worker = _Counted()
    return Scorer(lambda more: load_config(None, more), folder, {"a": "b"}, False, worker), worker  # noqa: FBT003


def test_a_score_is_computed_once(tmp_path: Path) -> None:
    scorer, worker = _scorer(tmp_path)
    first, again = (scorer.cells({"ensemble.trees": 5}, 1) for _ in range(2))
    assert worker.scored == 1
    assert first["BRD4/shared"] == again["BRD4/shared"] == 0.75
    assert first.keys() == again.keys()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("0.75", "0.95"),
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "{}",
        lambda _: "[]",
        lambda _: '{"cells": 5}',
        lambda _: '{"draw": 1}',
    ],
    ids=["flipped", "cut", "empty", "no keys", "list", "number", "no cells"],
)
def test_a_damaged_score_is_set_aside_and_computed_anew(tmp_path: Path, damage: Callable[[str], str]) -> None:
    scorer, worker = _scorer(tmp_path)
    scorer.cells({"ensemble.trees": 5}, 1)
    (file,) = (tmp_path / SCORES_FOLDER).iterdir()
    file.write_text(damage(file.read_text()))
    assert scorer.cells({"ensemble.trees": 5}, 1)["BRD4/shared"] == 0.75
    assert worker.scored == 2
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, f"{file.name}.damaged-1"]
