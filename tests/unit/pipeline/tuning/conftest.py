"""A study whose scores are computed at once, in place of trainings."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.files import load_config
from pipeline.config.settings import Config
from pipeline.tuning.scorer import Scorer
from pipeline.tuning.worker import OnValidation, Worker

MEMBERS = 'model.members=["transformer","linear","kernel"]'
Score = Callable[[Config, int, OnValidation], Mapping[str, float]]


class FakeWorker(Worker):
    """Calls a function in place of a process."""

    def __init__(self, score: Score) -> None:
        super().__init__()
        self._score = score

    def score(self, task: Any, on_validation: OnValidation, deadline: float | None) -> dict[str, float]:
        del deadline
        return dict(self._score(task.config, task.draw, on_validation))


@pytest.fixture
def make_scorer() -> Callable[..., Scorer]:
    """Makes what scores by a function: folder, function, whether the transformer is trained."""

    def make(folder: Path, score: Score, *, transformer: bool = False) -> Scorer:
        return Scorer(lambda more: load_config(None, [MEMBERS, *more]), folder, {}, transformer, FakeWorker(score))

    return make
