"""Run trials until there are enough, the time is over, or nothing new is tried."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import optuna
from optuna.trial import Trial, TrialState

from belka.errors import BelkaError, RunAgainError
from pipeline.tuning.draws import score_of
from pipeline.tuning.scorer import Scorer
from pipeline.tuning.space import Dimension
from pipeline.tuning.study import ask, finished_trials, interrupt
from pipeline.tuning.worker import OutOfTimeError, StoppedEarlyError, TrialFailedError

_MOST_FAILURES: Final = 5  # trials in a row, after which more would fail as well
_MOST_REPEATS: Final = 20  # trials in a row whose values were tried before
_STEPS_OF_DRAW: Final = 10_000  # of Optuna's: more than a training has validations

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """When trials end.

    Attributes:
        seconds: From now on.
        trials: Finished trials of the study, earlier ones included; None = as many as the time allows.
    """

    seconds: float
    trials: int | None


@dataclass(frozen=True)
class Trials:
    """How trials are run.

    Attributes:
        study: Says what is tried.
        space: What is searched.
        scorer: Scores values on draws.
        draws: The draws that choose.
        metric: What is made of a draw's cells, the greater the better.
        say: Gets a line about each trial.
    """

    study: optuna.Study
    space: Mapping[str, Dimension]
    scorer: Scorer
    draws: Sequence[int]
    metric: str
    say: Callable[[str], None]

    def run(self, limits: Limits) -> None:
        """Run them.

        Args:
            limits: When they end. A trial that runs then is made again by the next command, which goes on with what it
                had finished.

        Raises:
            TrialFailedError: One trial after another fails.
        """
        deadline = time.monotonic() + limits.seconds
        failures = repeats = 0
        while time.monotonic() < deadline:
            if limits.trials is not None and len(finished_trials(self.study)) >= limits.trials:
                return
            trial, values = ask(self.study, self.space)
            repeats = repeats + 1 if all(self.scorer.has(values, draw) for draw in self.draws) else 0
            try:
                failed = self._run(trial, values, deadline)
            except OutOfTimeError:
                interrupt(self.study, trial.number)
                return
            except BaseException:
                interrupt(self.study, trial.number)
                raise
            failures = failures + 1 if failed else 0
            if failed and failures >= _MOST_FAILURES:
                raise TrialFailedError(
                    f"{failures} trials failed one after another.",
                    received=failed,
                    expected="values of which most can be trained on this machine",
                    action="Narrow the space, or free memory; the same command goes on.",
                )
            if repeats >= _MOST_REPEATS:
                self.say("Nothing new was tried for a while: the space has few values left.")
                return

    def _run(self, trial: Trial, values: Mapping[str, Any], deadline: float) -> str:
        """Run one and tell the study; the reason where it failed."""
        start, failed = time.monotonic(), ""
        score: float | None
        try:
            score = self._score(trial, values, deadline)
        except TrialFailedError as error:
            failed = f"{error.problem} {error.received}".strip()
            trial.set_user_attr("reason", failed)
            score, state, text = None, TrialState.FAIL, f"failed: {failed}"
        except StoppedEarlyError:
            score, state, text = None, TrialState.PRUNED, "stopped early"
        else:
            state, text = TrialState.COMPLETE, f"{score:.4f} ({self.metric})"
        trial.set_user_attr("seconds", time.monotonic() - start)
        self.study.tell(trial, score, state)
        shown = ", ".join(f"{key}={value}" for key, value in values.items())
        self.say(f"trial {trial.number}: {text}; {shown}")
        return failed

    def _score(self, trial: Trial, values: Mapping[str, Any], deadline: float) -> float:
        """Mean over the draws; after each draw, and each validation of the transformer, Optuna may stop the trial."""
        scores: list[float] = []
        for place, draw in enumerate(self.draws):

            def goes_on(number: int, value: float, first: int = place * _STEPS_OF_DRAW) -> bool:
                trial.report(value, first + number)
                return not trial.should_prune()

            try:
                cells = self.scorer.cells(values, draw, goes_on, deadline)
            except StoppedEarlyError:
                self.scorer.forget_work(values, draw)
                raise
            score = score_of(cells, self.metric)
            if np.isnan(score):
                raise TrialFailedError(f"Draw {draw} has no score.", received="no slice with both labels among its own")
            scores.append(score)
            # Validations of the transformer are another number, which is not compared with this one.
            if not self.scorer.transformer and len(scores) < len(self.draws):
                trial.report(float(np.mean(scores)), place)
                if trial.should_prune():
                    raise StoppedEarlyError
        return float(np.mean(scores))


def best_of(study: optuna.Study) -> optuna.trial.FrozenTrial:
    """The trial with the best score, the earlier of equals.

    Raises:
        BelkaError: None has one; exit code 75 where time was short, so that the same command goes on.
    """
    done = [trial for trial in finished_trials(study) if trial.state == TrialState.COMPLETE]
    if not done:
        raise _none_done(study)
    return max(done, key=lambda trial: (trial.value or 0.0, -trial.number))


def _none_done(study: optuna.Study) -> BelkaError:
    failed = [trial.user_attrs.get("reason", "") for trial in finished_trials(study) if trial.state == TrialState.FAIL]
    if failed:
        return TrialFailedError(
            "No trial has a score.",
            received=f"{len(failed)} failed, the last because: {failed[-1]}",
            expected="at least one that can be trained",
            action="Correct the space or the configuration; the same command goes on.",
        )
    return RunAgainError(
        "No trial was finished in the time that was given.",
        received=f"{len(finished_trials(study))} finished trials",
        expected="at least one; the first also makes the Examples",
        action="Give the same command again, with more --minutes: it goes on with what is finished.",
    )
