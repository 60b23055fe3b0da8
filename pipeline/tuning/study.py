"""The study: which values are tried next, by Optuna, and what came of those that were tried, in one file.

The file is Optuna's journal: a line for each thing that happened, so a process that is killed loses no finished trial,
and several processes may work on one study, also on a shared volume without locks. The seed of what a trial draws comes
from its place among the trials, so that a study that was interrupted goes on as if it had not been.
"""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import psutil
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages.journal import JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from belka.errors import InputError
from pipeline.tuning.journal import CheckedJournal
from pipeline.tuning.space import Dimension, is_whole

_NAME: Final = "belka"
_IDENTITY: Final = "identity"
_WORKER: Final = "worker"
_INTERRUPTED: Final = "interrupted-{}"
_STARTUP_TRIALS: Final = 5  # before which none is stopped early


class SeededByPlace(optuna.samplers.BaseSampler):
    """Optuna's TPE whose random numbers depend on the seed and on the trial's place alone; the first is untuned.

    Args:
        seed: The seed.
        untuned: Key -> value of the untuned configuration as Optuna stores it; None where the space does not hold it.
    """

    def __init__(self, seed: int, untuned: Mapping[str, Any] | None) -> None:
        self._seed = seed
        self._untuned = untuned
        self._made: tuple[int, optuna.samplers.BaseSampler] | None = None

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """See Optuna."""
        found: dict[str, BaseDistribution] = self._of(study, trial).infer_relative_search_space(study, trial)
        return found

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See Optuna."""
        found: dict[str, Any] = self._of(study, trial).sample_relative(study, trial, search_space)
        return found

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """See Optuna."""
        if self._untuned is not None and _place(study, trial.number) == 0:
            return self._untuned[param_name]
        return self._of(study, trial).sample_independent(study, trial, param_name, param_distribution)

    def _of(self, study: optuna.Study, trial: FrozenTrial) -> optuna.samplers.BaseSampler:
        if self._made is None or self._made[0] != trial.number:
            (seed,) = np.random.SeedSequence([self._seed, _place(study, trial.number)]).generate_state(1)
            self._made = trial.number, optuna.samplers.TPESampler(seed=int(seed))
        return self._made[1]


def open_study(
    folder: Path, space: Mapping[str, Dimension], *, seed: int, untuned: Mapping[str, Any], identity: Mapping[str, str]
) -> optuna.Study:
    """Begin a study or go on with the one that a folder holds.

    Args:
        folder: The folder.
        space: What is searched.
        seed: Of what is drawn.
        untuned: Key -> value of the untuned configuration; it is the first trial where the space holds it.
        identity: What must be equal for trials to be comparable, by name.

    Raises:
        InputError: The folder holds a study of something else, or a damaged one.
    """
    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()
    journal = CheckedJournal(folder)
    is_tried = all(dimension.holds(untuned[key]) for key, dimension in space.items())
    first = {key: _stored(dimension, untuned[key]) for key, dimension in space.items()} if is_tried else None
    study = optuna.create_study(
        storage=JournalStorage(journal),
        sampler=SeededByPlace(seed, first),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP_TRIALS),
        study_name=_NAME,
        direction="maximize",
        load_if_exists=True,
    )
    before = study.user_attrs.setdefault(_IDENTITY, dict(identity))
    if changed := [name for name, value in identity.items() if before.get(name) != value]:
        raise InputError(
            "The folder holds a study of something else, whose trials cannot be compared.",
            received=f"{folder}: changed since it began: {', '.join(changed)}",
            expected="the same command, or an empty folder",
            action="Name another folder with --output-dir, or give the command as it was.",
        )
    study.set_user_attr(_IDENTITY, dict(identity))
    _fail_interrupted(study)
    return study


def ask(study: optuna.Study, space: Mapping[str, Dimension]) -> tuple[Trial, dict[str, Any]]:
    """The next trial, and the values that it tries."""
    trial = study.ask({key: _distribution(key, dimension) for key, dimension in space.items()})
    trial.set_user_attr(_WORKER, [socket.gethostname(), os.getpid(), psutil.Process().create_time()])
    return trial, values_of(trial.params, space)


def values_of(params: Mapping[str, Any], space: Mapping[str, Dimension]) -> dict[str, Any]:
    """Key -> value of a trial, of what Optuna stores."""
    return {
        key: params[key] if dimension.choices is None else json.loads(params[key]) for key, dimension in space.items()
    }


def interrupt(study: optuna.Study, number: int) -> None:
    """Mark a trial as one that is made again, in its place."""
    study.set_user_attr(_INTERRUPTED.format(number), value=True)
    study.tell(number, state=TrialState.FAIL)


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that are over, failed ones included and interrupted ones not, in order."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished() and _INTERRUPTED.format(trial.number) not in study.user_attrs
    ]


def importance(study: optuna.Study, seed: int) -> dict[str, float]:
    """Share of the scores' variance that each key explains, the largest first; empty where it cannot be told.

    Source: Hutter, Hoos, Leyton-Brown: An efficient approach for assessing hyperparameter importance (2014).
    """
    values = {trial.value for trial in finished_trials(study) if trial.state == TrialState.COMPLETE}
    if len(values) <= _STARTUP_TRIALS:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _distribution(key: str, dimension: Dimension) -> BaseDistribution:
    if dimension.choices is not None:
        return CategoricalDistribution([json.dumps(value) for value in dimension.choices])
    low, high, step, log = dimension.low, dimension.high, dimension.step, dimension.log
    assert low is not None
    assert high is not None
    if is_whole(key):
        return IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    return FloatDistribution(float(low), float(high), log=log, step=step)


def _stored(dimension: Dimension, value: Any) -> Any:
    return value if dimension.choices is None else json.dumps(value)


def _place(study: optuna.Study, number: int) -> int:
    """Trials before one, without those that were interrupted and are made again."""
    marked = study.user_attrs
    return sum(_INTERRUPTED.format(before) not in marked for before in range(number))


def _fail_interrupted(study: optuna.Study) -> None:
    """Mark what processes that are gone had begun; nobody here knows whether those of other machines run."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        host, *process = trial.user_attrs.get(_WORKER, (socket.gethostname(), -1, 0.0))
        if host == socket.gethostname() and not _runs(*process):
            interrupt(study, trial.number)


def _runs(pid: int, started: float) -> bool:
    try:
        return pid != os.getpid() and abs(psutil.Process(pid).create_time() - started) < 1.0
    except (psutil.NoSuchProcess, ValueError):
        return False
