import os
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from belka.errors import InputError
from pipeline.tuning.journal import JOURNAL
from pipeline.tuning.space import Dimension
from pipeline.tuning.study import ask, finished_trials, importance, interrupt, open_study

SPACE = {
    "ensemble.kernel_penalty": Dimension(low=0.03, high=3.0, log=True),
    "ensemble.linear_strengths": Dimension(choices=([0.01], [0.1])),
    "ensemble.trees": Dimension(low=10, high=60, step=10),
}
UNTUNED = {"ensemble.kernel_penalty": 0.3, "ensemble.linear_strengths": [0.01], "ensemble.trees": 20}


def _open(folder: Path, seed: int = 1, untuned: dict[str, Any] | None = None, data: str = "a") -> optuna.Study:
    return open_study(folder, SPACE, seed=seed, untuned=untuned or UNTUNED, identity={"the raw files": data})


def _score(values: dict[str, Any]) -> float:
    return float(values["ensemble.kernel_penalty"]) - float(values["ensemble.trees"]) / 100


def _tried(study: optuna.Study, count: int) -> list[dict[str, Any]]:
    found = []
    for _ in range(count):
        trial, values = ask(study, SPACE)
        study.tell(trial, _score(values))
        found.append(values)
    return found


def test_the_first_trial_is_untuned_and_the_same_seed_tries_the_same(tmp_path: Path) -> None:
    first = _tried(_open(tmp_path / "a"), 14)
    assert first[0] == UNTUNED
    assert first == _tried(_open(tmp_path / "b"), 14)
    assert first[1:] != _tried(_open(tmp_path / "c", seed=2), 14)[1:]
    assert all(SPACE[key].holds(value) for values in first for key, value in values.items())
    assert len({str(values) for values in first}) > 10


def test_an_untuned_configuration_outside_the_space_is_not_tried(tmp_path: Path) -> None:
    outside = {**UNTUNED, "ensemble.trees": 500}
    (first,) = _tried(_open(tmp_path, untuned=outside), 1)
    assert first["ensemble.trees"] <= 60


def test_an_interrupted_study_tries_what_it_would_have_tried(tmp_path: Path) -> None:
    whole = _tried(_open(tmp_path / "whole"), 16)
    study = _open(tmp_path / "cut")
    begun = _tried(study, 3)
    trial, values = ask(study, SPACE)
    interrupt(study, trial.number)
    # As if a process of this machine had been killed in the next attempt.
    again, repeated = ask(study, SPACE)
    again.set_user_attr("worker", [os.uname().nodename, 2**22 + 1, 0.0])
    assert repeated == values == whole[3]
    later = _open(tmp_path / "cut")
    assert [trial.state for trial in later.trials].count(TrialState.RUNNING) == 0
    assert begun + _tried(later, 13) == whole
    assert len(finished_trials(later)) == 16


def test_a_trial_that_another_machine_runs_is_left_to_it(tmp_path: Path) -> None:
    trial, _ = ask(_open(tmp_path), SPACE)
    trial.set_user_attr("worker", ["elsewhere", 1, 0.0])
    assert [each.state for each in _open(tmp_path).trials] == [TrialState.RUNNING]


def test_two_processes_at_once_try_different_values(tmp_path: Path) -> None:
    one, other = _open(tmp_path), _open(tmp_path)
    ask(one, SPACE)
    assert ask(one, SPACE)[1] != ask(other, SPACE)[1]


def test_a_folder_with_a_study_of_other_data_is_refused(tmp_path: Path) -> None:
    _open(tmp_path)
    with pytest.raises(InputError, match=r"study of something else[\s\S]*the raw files"):
        _open(tmp_path, data="b")


def test_a_journal_that_ends_within_a_line_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _tried(_open(tmp_path), 2)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"op_code": 4, "worker')
    study = _open(tmp_path)
    assert "ended within a line" in caplog.text
    _tried(study, 1)
    assert len(finished_trials(_open(tmp_path))) == 3


def test_no_flipped_bit_of_the_journal_is_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _tried(_open(tmp_path), 3)
    file = tmp_path / JOURNAL
    whole = file.read_bytes()
    random = np.random.default_rng(1)
    for place in [*random.integers(len(whole) - 1, size=100), whole.rfind(b"\n", 0, -1)]:
        content = bytearray(whole)
        content[place] ^= 1 << int(random.integers(8))
        file.write_bytes(content)
        line = whole[:place].count(b"\n") + 1
        with pytest.raises(InputError, match=f"line {line}(.|\n)*Keep the {line - 1} lines before it"):
            _open(tmp_path)
    file.write_bytes(whole[:-1] + b"\x0b")
    _open(tmp_path)
    assert "ended within a line" in caplog.text
    file.write_bytes(whole)
    assert len(finished_trials(_open(tmp_path))) == 3


def test_importance_names_what_decides_and_is_silent_after_few_trials(tmp_path: Path) -> None:
    study = _open(tmp_path)
    _tried(study, 3)
    assert importance(study, 1) == {}
    _tried(study, 20)
    shares = importance(study, 1)
    assert next(iter(shares)) == "ensemble.kernel_penalty"
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["ensemble.linear_strengths"] < 0.1
    assert importance(study, 1) == shares
