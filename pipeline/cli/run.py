"""`belka run` and `belka step`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from belka.errors import InputError
from belka.exit_codes import ExitCode
from belka.places.uri import local_place
from pipeline.cli.options import (
    ConfigOption,
    LogFormatOption,
    MetricsFileOption,
    OutputDirOption,
    QuietOption,
    RawDirOption,
    ResumeOption,
    SetOption,
    build_config,
    used_config,
)
from pipeline.cli.places import PATH
from pipeline.steps import Step, nodes_between, step_nodes, trainer_node

if TYPE_CHECKING:
    from trainer_module.settings import Mode


def run(
    config: ConfigOption = None,
    raw_dir: RawDirOption = None,
    output_dir: OutputDirOption = None,
    overrides: SetOption = None,
    first: Annotated[
        Step | None,
        typer.Option("--from", metavar="STEP", help="First step; earlier results are taken as they are."),
    ] = None,
    last: Annotated[
        Step | None, typer.Option("--to", metavar="STEP", help=f"Last step. Steps: {', '.join(Step)}.")
    ] = None,
    resume: ResumeOption = True,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Say what would run and why, what the cache serves and what it took; run nothing."),
    ] = False,
    quiet: QuietOption = False,
    log_format: LogFormatOption = "text",
    metrics_file: MetricsFileOption = None,
) -> None:
    """Run the pipeline: raw files in; model, metrics and submission.csv out."""
    settings = build_config(config, raw_dir, output_dir, overrides)
    nodes = None
    if first or last:
        nodes = nodes_between(
            first or Step.GENERATE_PARQUET,
            last or Step.MAKE_SUBMISSION,
            settings.training.stages,
            validated=settings.data_validation.is_on,
            blended=settings.model.is_blended,
        )
        if not nodes:
            raise InputError(
                "The option --from names a step after --to.",
                received=f"--from {first} --to {last}",
                expected=f"the order {', '.join(Step)}",
                action="Swap the two.",
            )
    if plan:
        from pipeline.cli.plan import show_plan

        show_plan(settings if resume else settings.anew(), nodes)
        return
    from pipeline.cli.execute import execute
    from pipeline.cli.run_events import HowToRun

    how = HowToRun(resume, quiet, log_format, metrics_file, not_pushed_code=ExitCode.NOT_PUSHED)
    if code := execute(settings, nodes, how):
        raise typer.Exit(code)


def step(
    name: Annotated[Step, typer.Argument(metavar="STEP", help=f"One of {', '.join(Step)}.")],
    mode: Annotated[str | None, typer.Option(help="With train_model: only this stage (mlm, mtr, fps or clf).")] = None,
    model_path: Annotated[
        Path | None,
        typer.Option(
            parser=local_place, metavar=PATH, help="With --mode: exported model whose encoder starts the stage."
        ),
    ] = None,
    initial_epoch: Annotated[
        int | None, typer.Option(min=0, help="With --mode: epochs that count as done when no checkpoint is resumed.")
    ] = None,
    config: ConfigOption = None,
    raw_dir: RawDirOption = None,
    output_dir: OutputDirOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = True,
    quiet: QuietOption = False,
    log_format: LogFormatOption = "text",
    metrics_file: MetricsFileOption = None,
) -> None:
    """Run one step alone on what earlier steps left in the output directory.

    The configuration is the one that they ran with, unless --config is given.
    """
    start = _stage_start(mode, model_path, initial_epoch)
    settings = build_config(config or used_config(output_dir), raw_dir, output_dir, [*(overrides or []), *start])
    nodes = step_nodes(
        name,
        settings.training.stages,
        validated=settings.data_validation.is_on,
        blended=settings.model.is_blended,
    )
    if mode is not None:
        nodes = [_stage_node(name, mode, settings.training.stages)]
    from pipeline.cli.execute import execute
    from pipeline.cli.run_events import HowToRun

    execute(settings, nodes, HowToRun(resume, quiet, log_format, metrics_file))


def _stage_start(mode: str | None, model_path: Path | None, initial_epoch: int | None) -> list[str]:
    """Where a stage starts, as values of the configuration: they belong to the run's record and to its cache key."""
    if model_path is None and initial_epoch is None:
        return []
    from trainer_module.settings import MODES  # brings pydantic along: too slow for --help

    if mode not in MODES:
        raise InputError(
            "The options --model-path and --initial-epoch need the stage they are for.",
            received=f"--mode {mode}" if mode else "no --mode",
            expected=f"belka step {Step.TRAIN_MODEL} --mode {' | '.join(MODES)}",
            action="Add --mode.",
        )
    values = []
    if model_path is not None:
        if not model_path.is_dir():
            raise InputError(
                "The option --model-path names no model.",
                received=str(model_path.absolute()),
                expected="the folder of an exported model, such as OUTPUT/model/<version>",
                action="Correct the path.",
            )
        values.append(f"training.{mode}.model_path={json.dumps(str(model_path.absolute()))}")
    if initial_epoch is not None:
        values.append(f"training.{mode}.initial_epoch={initial_epoch}")
    return values


def _stage_node(name: Step, mode: str, stages: tuple["Mode", ...]) -> str:
    if name is not Step.TRAIN_MODEL:
        raise InputError(
            "The option --mode goes with the step train_model only.",
            received=f"belka step {name} --mode {mode}",
            expected=f"belka step {Step.TRAIN_MODEL} --mode {mode}",
            action="Leave --mode out.",
        )
    for stage in stages:
        if stage == mode:
            return trainer_node(stage)
    from trainer_module.settings import MODES  # brings pydantic along: too slow for --help

    wanted = [each for each in MODES if each in stages or each == mode]
    raise InputError(
        "The option --mode names a stage the configuration does not train.",
        received=mode,
        expected=f"one of training.stages: {', '.join(stages)}",
        action=f"Add it with --set 'training.stages=[{', '.join(wanted)}]'.",
    )
