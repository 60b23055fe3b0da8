"""`belka run` and `belka step`."""

from typing import TYPE_CHECKING, Annotated

import typer

from components.errors import InputError
from pipeline.cli.options import (
    ConfigOption,
    OutputDirOption,
    QuietOption,
    RawDirOption,
    ResumeOption,
    SetOption,
    build_config,
    used_config,
)
from pipeline.steps import Step, nodes_between, step_nodes, trainer_node

if TYPE_CHECKING:
    from trainer_module.settings import Mode


def run(
    config: ConfigOption = None,
    raw_dir: RawDirOption = None,
    output_dir: OutputDirOption = None,
    overrides: SetOption = None,
    first: Annotated[
        Step | None, typer.Option("--from", help="First step; earlier results are taken as they are.")
    ] = None,
    last: Annotated[Step | None, typer.Option("--to", help="Last step.")] = None,
    resume: ResumeOption = True,
    quiet: QuietOption = False,
) -> None:
    """Run the pipeline: raw files in; model, metrics and submission.csv out."""
    settings = build_config(config, raw_dir, output_dir, overrides, resume=resume)
    nodes = None
    if first or last:
        nodes = nodes_between(
            first or Step.GENERATE_PARQUET,
            last or Step.MAKE_SUBMISSION,
            settings.training.stages,
            validated=settings.data_validation.is_on,
        )
        if not nodes:
            raise InputError(
                "--from names a step after --to",
                received=f"--from {first} --to {last}",
                expected=f"the order {', '.join(Step)}",
                action="swap the two",
            )
    from pipeline.cli.execute import execute

    execute(settings, nodes, quiet=quiet)


def step(
    name: Annotated[Step, typer.Argument(metavar="STEP", help=f"One of {', '.join(Step)}.")],
    mode: Annotated[str | None, typer.Option(help="With train_model: only this stage (mlm, fps or clf).")] = None,
    config: ConfigOption = None,
    raw_dir: RawDirOption = None,
    output_dir: OutputDirOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = True,
    quiet: QuietOption = False,
) -> None:
    """Run one step alone on what earlier steps left in the output directory, with the configuration they ran with unless --config is given."""
    settings = build_config(config or used_config(output_dir), raw_dir, output_dir, overrides, resume=resume)
    nodes = step_nodes(name, settings.training.stages, validated=settings.data_validation.is_on)
    if mode is not None:
        nodes = [_stage_node(name, mode, settings.training.stages)]
    from pipeline.cli.execute import execute

    execute(settings, nodes, quiet=quiet)


def _stage_node(name: Step, mode: str, stages: tuple["Mode", ...]) -> str:
    if name is not Step.TRAIN_MODEL:
        raise InputError(
            "--mode goes with the step train_model only",
            received=f"belka step {name} --mode {mode}",
            expected=f"belka step {Step.TRAIN_MODEL} --mode {mode}",
            action="leave --mode out",
        )
    for stage in stages:
        if stage == mode:
            return trainer_node(stage)
    raise InputError(
        "--mode names a stage the configuration does not train",
        received=mode,
        expected=f"one of training.stages: {', '.join(stages)}",
        action="add it with --set 'training.stages=[mlm, fps, clf]'",
    )
