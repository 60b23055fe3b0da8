"""Tune the configuration: trials on some draws, the best of them reported on others, a file, a page."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import optuna
import yaml
from optuna.trial import FrozenTrial

from belka.code_version import code_version
from belka.contract import Node
from belka.errors import BelkaError
from belka.files import atomic_path
from belka.raw_directory import raw_digest
from belka.state_files import write_state
from pipeline.config.files import load_config, with_found_targets
from pipeline.config.settings import Config
from pipeline.tuning.draws import check_apart, check_metric, score_of
from pipeline.tuning.measured import EXAMPLES_NODES, check_measured, needs_transformer, tried_members
from pipeline.tuning.outcome import Outcome, Paired, TrialRow
from pipeline.tuning.page import PAGE, write_page
from pipeline.tuning.scorer import Scorer
from pipeline.tuning.space import Configure, Dimension, override_of, read_space, value_of
from pipeline.tuning.study import finished_trials, importance, open_study, values_of
from pipeline.tuning.trials import Limits, Trials, best_of
from pipeline.tuning.worker import Worker

TUNED_CONFIG: Final = "tuned.yaml"
FIGURES: Final = "tune.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TuneRequest:
    """What is wanted.

    Attributes:
        config_file: The untuned configuration; None = the defaults.
        overrides: `section.key=value` texts for all trials.
        raw_dir: The raw files.
        output_dir: Receives everything.
        space_file: What is searched.
        metric: What is tuned for.
        choose: Numbers of the draws that choose.
        report: Numbers of the draws that report.
        limits: When trials end.
        trials_only: Whether to leave choosing and reporting to another command.
    """

    config_file: Path | None
    overrides: tuple[str, ...]
    raw_dir: Path
    output_dir: Path
    space_file: Path
    metric: str
    choose: tuple[int, ...]
    report: tuple[int, ...]
    limits: Limits
    trials_only: bool = False


def tune(request: TuneRequest, say: Callable[[str], None]) -> Outcome | None:
    """Tune, or go on with what an earlier command began in the same folder.

    Args:
        request: What is wanted.
        say: Gets lines about the progress.

    Returns:
        What it came to; None where trials alone were wanted.

    Raises:
        InputError: Space, draws, metric or raw files do not fit.
        BelkaError: No trial has a score.
    """
    check_apart(request.choose, request.report)
    configure = configured(request)
    config = configure(())
    check_metric(request.metric, config.data.targets)
    space = read_space(request.space_file, configure)
    check_measured(space, config)
    transformer = needs_transformer(space, config, tried_members(space))
    untuned = {key: value_of(config, key) for key in space}
    identity = _identity(config, transformer=transformer)
    study = open_study(
        request.output_dir,
        space,
        seed=config.system.seed,
        untuned=untuned,
        identity={**identity, **_asked(request, space)},
    )
    with Worker() as worker:
        scorer = Scorer(configure, request.output_dir, identity, transformer, worker)
        Trials(study, space, scorer, request.choose, request.metric, say).run(request.limits)
        if request.trials_only:
            return None
        outcome = _reported(request, study, space, scorer, untuned, say)
    _write(request, outcome)
    return outcome


def configured(request: TuneRequest) -> Configure:
    """What makes the configuration of a trial, with the targets and the digest of the raw files as they are now."""
    given = [*request.overrides, override_of("data.raw_dir", str(request.raw_dir))]
    first = load_config(request.config_file, given)
    found = with_found_targets(first)
    digest = raw_digest(request.raw_dir, found.data)
    given.append(override_of("data.targets", list(found.data.targets)))
    given.append(override_of("data.raw_digest", digest))
    return lambda more: load_config(request.config_file, [*given, *more])


def _identity(config: Config, *, transformer: bool) -> dict[str, str]:
    """What decides scores beside values and draws, by name."""
    nodes = config.deciding()
    own = [nodes[node] for node in (*EXAMPLES_NODES, Node.ENSEMBLE)]
    own += [config.model.model_dump_json(), config.training.for_mode("clf").model_dump_json()]
    return {
        "the configuration": hashlib.sha256(json.dumps(own).encode()).hexdigest()[:16],
        "the raw files": str(config.data.raw_digest),
        "the version of belka": code_version(),
        "whether the transformer is trained": str(transformer),
    }


def _asked(request: TuneRequest, space: Mapping[str, Dimension]) -> dict[str, str]:
    """What decides trials beside that, by name."""
    return {
        "--space": json.dumps({key: dimension.model_dump() for key, dimension in space.items()}),
        "--metric": request.metric,
        "--draws-choose": ",".join(map(str, request.choose)),
        "the version of Optuna": optuna.__version__,
    }


def _reported(
    request: TuneRequest,
    study: optuna.Study,
    space: Mapping[str, Dimension],
    scorer: Scorer,
    untuned: Mapping[str, Any],
    say: Callable[[str], None],
) -> Outcome:
    """Score the best values and the untuned ones on the draws that report."""
    chosen = _row(best_of(study), space)
    found: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    for draw in request.report:
        for is_tuned, values in ((True, chosen.values), (False, untuned)):
            cells = scorer.cells(values, draw)
            found[is_tuned].append(cells)
            say(f"draw {draw}, {'tuned' if is_tuned else 'untuned'}: {score_of(cells, request.metric):.4f}")
    scores = {name: tuple(score_of(cells, request.metric) for cells in each) for name, each in found.items()}
    if np.isnan([*scores[True], *scores[False]]).any():
        raise BelkaError(
            "A draw that reports has no score.",
            received="no slice with both labels among what it holds out",
            expected="molecules of both labels in each draw",
            action="Name other draws with --draws-report, or a metric of more slices with --metric.",
        )
    return Outcome(
        metric=request.metric,
        choose=request.choose,
        rows=tuple(_row(trial, space) for trial in finished_trials(study)),
        importance=importance(study, scorer.configure(()).system.seed),
        chosen=chosen,
        untuned=untuned,
        reported=Paired(request.report, scores[True], scores[False]),
        cells={name: (_mean(found[True], name), _mean(found[False], name)) for name in found[True][0]},
        transformer=scorer.transformer,
    )


def _mean(cells: list[dict[str, float]], name: str) -> float:
    return float(np.mean([each[name] for each in cells]))


def _row(trial: FrozenTrial, space: Mapping[str, Dimension]) -> TrialRow:
    """A trial as the page shows it."""
    told = trial.user_attrs
    return TrialRow(
        number=trial.number,
        state=trial.state.name.lower(),
        score=trial.value if trial.state.name == "COMPLETE" else None,
        seconds=told.get("seconds"),
        values=values_of(trial.params, space),
        reason=told.get("reason", ""),
    )


def _write(request: TuneRequest, outcome: Outcome) -> None:
    """Write the configuration, the figures and the page."""
    chosen = [override_of(key, value) for key, value in outcome.chosen.values.items()]
    tuned = load_config(request.config_file, [*request.overrides, *chosen])
    # What is not set keeps following the defaults; JSON first, since YAML has no tuples.
    values = json.loads(tuned.model_dump_json(exclude_unset=True))
    header = f"# Written by `belka tune`, for {outcome.metric}; {PAGE} beside it says how.\n"
    with atomic_path(request.output_dir / TUNED_CONFIG) as temporary:
        temporary.write_text(header + yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    write_state(request.output_dir / FIGURES, outcome.as_dict())
    write_page(outcome, request.output_dir / PAGE)
