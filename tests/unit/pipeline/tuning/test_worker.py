"""The process that scores draws."""

import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.tuning import worker as module
from pipeline.tuning.worker import Worker


def test_it_may_have_processes_of_its_own_and_they_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    from own_workers import add_in_processes  # type: ignore[import-not-found]

    monkeypatch.setattr(module, "_serve", add_in_processes)
    task: Any = [-1, 2]
    with Worker() as worker:
        told = worker.score(task, lambda _, __: True, None)
    assert told["sum"] == 3
    own = int(told["worker"])
    end = time.monotonic() + 60
    while psutil.pid_exists(own) and psutil.Process(own).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.05)
