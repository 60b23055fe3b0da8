from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from optuna.trial import TrialState

from belka.errors import RunAgainError
from pipeline.config.settings import Config
from pipeline.tuning.scorer import Scorer
from pipeline.tuning.space import Dimension
from pipeline.tuning.study import finished_trials, open_study
from pipeline.tuning.trials import Limits, Trials, best_of
from pipeline.tuning.worker import OnValidation, OutOfTimeError, StoppedEarlyError, TrialFailedError

SPACE = {"ensemble.trees": Dimension(low=1, high=1000)}
ENOUGH = Limits(600.0, 8)
MakeScorer = Callable[..., Scorer]


def _trials(folder: Path, scorer: Scorer, told: list[str], space: Mapping[str, Dimension] = SPACE) -> Trials:
    study = open_study(folder, space, seed=1, untuned={"ensemble.trees": 150}, identity={})
    return Trials(study, space, scorer, (1, 2), "mean-AP", told.append)


def _cells(config: Config, draw: int, on_validation: OnValidation) -> dict[str, float]:
    del on_validation
    return {"BRD4/shared": config.ensemble.trees / 1000 + draw / 100}


def test_a_trials_score_is_the_mean_over_the_draws_and_the_best_is_chosen(
    tmp_path: Path, make_scorer: MakeScorer
) -> None:
    told: list[str] = []
    trials = _trials(tmp_path, make_scorer(tmp_path, _cells), told)
    trials.run(ENOUGH)
    done = finished_trials(trials.study)
    assert len(done) == 8
    complete = [trial for trial in done if trial.state == TrialState.COMPLETE]
    assert all(trial.value == pytest.approx(trial.params["ensemble.trees"] / 1000 + 0.015) for trial in complete)
    assert best_of(trials.study).value == max(trial.value for trial in complete if trial.value is not None)
    assert "trial 0: 0.1650 (mean-AP); ensemble.trees=150" in told
    trials.run(ENOUGH)
    assert len(finished_trials(trials.study)) == 8


def test_a_trial_that_fails_is_told_with_its_reason_and_the_study_goes_on(
    tmp_path: Path, make_scorer: MakeScorer
) -> None:
    def score(config: Config, draw: int, on_validation: OnValidation) -> dict[str, float]:
        if config.ensemble.trees == 150:
            raise TrialFailedError("There is not enough memory.", received="exit code 75")
        return _cells(config, draw, on_validation)

    told: list[str] = []
    trials = _trials(tmp_path, make_scorer(tmp_path, score), told)
    trials.run(ENOUGH)
    first, *others = finished_trials(trials.study)
    assert first.state == TrialState.FAIL
    assert first.user_attrs["reason"] == "There is not enough memory. exit code 75"
    assert len(others) == 7
    assert TrialState.FAIL not in {trial.state for trial in others}
    assert told[0].startswith("trial 0: failed: There is not enough memory.")


def test_values_that_do_not_fit_together_fail_one_trial(tmp_path: Path, make_scorer: MakeScorer) -> None:
    space = {"model.members": Dimension(choices=(["transformer", "linear"], ["linear"]))}
    scorer = make_scorer(tmp_path, _cells)
    with pytest.raises(TrialFailedError, match=r"do not fit together[\s\S]*transformer first"):
        scorer.cells({"model.members": ["linear"]}, 1)
    assert space["model.members"].choices is not None


def test_trials_that_all_fail_end_the_study(tmp_path: Path, make_scorer: MakeScorer) -> None:
    def score(*_: object) -> dict[str, float]:
        raise TrialFailedError("The disk is full.")

    trials = _trials(tmp_path, make_scorer(tmp_path, score), [])
    with pytest.raises(TrialFailedError, match=r"5 trials failed one after another[\s\S]*The disk is full"):
        trials.run(ENOUGH)
    with pytest.raises(TrialFailedError, match=r"No trial has a score[\s\S]*The disk is full"):
        best_of(trials.study)


def test_a_draw_without_both_labels_fails_the_trial(tmp_path: Path, make_scorer: MakeScorer) -> None:
    trials = _trials(tmp_path, make_scorer(tmp_path, lambda *_: {"BRD4/shared": float("nan")}), [])
    with pytest.raises(TrialFailedError, match="Draw 1 has no score"):
        trials.run(ENOUGH)


def test_a_trial_that_the_time_ends_is_made_again_and_finished_draws_are_not(
    tmp_path: Path, make_scorer: MakeScorer
) -> None:
    asked: list[tuple[int, int]] = []
    over = True

    def score(config: Config, draw: int, on_validation: OnValidation) -> dict[str, float]:
        asked.append((config.ensemble.trees, draw))
        if over and draw == 2:
            raise OutOfTimeError
        return _cells(config, draw, on_validation)

    trials = _trials(tmp_path, make_scorer(tmp_path, score), [])
    trials.run(ENOUGH)
    with pytest.raises(RunAgainError, match="No trial was finished in the time") as caught:
        best_of(trials.study)
    assert caught.value.exit_code == 75
    over = False
    trials.run(Limits(600.0, 1))
    assert asked == [(150, 1), (150, 2), (150, 2)]
    assert [trial.params["ensemble.trees"] for trial in finished_trials(trials.study)] == [150]


def test_a_stop_leaves_the_trial_to_be_made_again(tmp_path: Path, make_scorer: MakeScorer) -> None:
    def score(*_: object) -> dict[str, float]:
        raise KeyboardInterrupt

    trials = _trials(tmp_path, make_scorer(tmp_path, score), [])
    with pytest.raises(KeyboardInterrupt):
        trials.run(ENOUGH)
    assert finished_trials(trials.study) == []
    assert [trial.state for trial in trials.study.trials] == [TrialState.FAIL]


def test_trainings_worse_than_the_median_stop_after_a_validation(tmp_path: Path, make_scorer: MakeScorer) -> None:
    validations: list[int] = []

    def score(config: Config, draw: int, on_validation: OnValidation) -> dict[str, float]:
        # The first five are good; each later one is worse than they, from its first validation on.
        value = 0.9 if len(finished_trials(trials.study)) < 5 else 0.1
        for number in range(1, 4):
            if draw == 1:
                validations.append(number)
            if not on_validation(number, value):
                raise StoppedEarlyError
        return {"BRD4/shared": value + config.ensemble.trees / 1e6}

    told: list[str] = []
    trials = _trials(tmp_path, make_scorer(tmp_path, score, transformer=True), told)
    trials.run(ENOUGH)
    states = [trial.state for trial in finished_trials(trials.study)]
    assert states == [TrialState.COMPLETE] * 5 + [TrialState.PRUNED] * 3
    assert validations == [1, 2, 3] * 5 + [1] * 3
    assert "stopped early" in told[-1]


def test_a_space_that_is_used_up_ends_the_trials(tmp_path: Path, make_scorer: MakeScorer) -> None:
    told: list[str] = []
    small = {"ensemble.trees": Dimension(choices=(150, 151))}
    trials = _trials(tmp_path, make_scorer(tmp_path, _cells), told, small)
    trials.run(Limits(600.0, None))
    assert "Nothing new was tried for a while" in told[-1]
