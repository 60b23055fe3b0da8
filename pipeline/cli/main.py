"""The `belka` command."""

import logging
import sys
import traceback
from importlib.metadata import entry_points
from typing import Annotated, Final, Literal

import typer
from rich.console import Console

from belka.errors import BelkaError
from pipeline.cli import data, enrichment, kubeflow, lineage, predict, run
from pipeline.cli.options import ConfigOption, OutputDirOption, RawDirOption, SetOption, build_config

COMMANDS: Final = "belka.commands"  # the group of entry points by which packages above the pipeline add commands

app = typer.Typer(
    name="belka",
    help="Machine learning on DNA-encoded libraries: raw BELKA files in; model, metrics and submission.csv out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)


@app.callback()
def options(
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None,
        typer.Option(help="Level of the log; DEBUG also prints tracebacks."),
    ] = None,
) -> None:
    """Set what holds for every command."""
    if log_level is not None:
        logging.getLogger().setLevel(log_level)


@config_app.command()
def show(
    config: ConfigOption = None,
    raw_dir: RawDirOption = None,
    output_dir: OutputDirOption = None,
    overrides: SetOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="With what each key means.")] = False,
) -> None:
    """Print the resolved configuration as YAML."""
    from pipeline.config.files import dump_config, explain_config

    resolved = build_config(config, raw_dir, output_dir, overrides)
    typer.echo(explain_config(resolved) if explain else dump_config(resolved), nl=False)


@config_app.command()
def keys() -> None:
    """Print which steps run again when a key changes, as the page docs/keys.md."""
    from pipeline.config.keys import keys_table

    typer.echo(keys_table(), nl=False)


for _command in (
    run.run,
    run.step,
    data.make_demo_data,
    data.validate,
    predict.predict,
    lineage.lineage,
    enrichment.enrichment,
):
    app.command()(_command)
app.command("compile")(kubeflow.compile_)
app.command()(kubeflow.submit)
app.command()(kubeflow.simulate)
app.add_typer(config_app, name="config")
for _entry in entry_points(group=COMMANDS):
    app.add_typer(_entry.load(), name=_entry.name)


def main() -> None:
    """Run the command line; every error ends in its exit code, with a traceback only under --log-level DEBUG."""
    try:
        app()
    except Exception as cause:  # noqa: BLE001 - the last line of defence between a user and a traceback
        error = cause
        if not isinstance(error, BelkaError):
            error = BelkaError(
                "An unexpected error: this is a defect of the program.",
                received=f"{type(cause).__name__}: {cause}",
                action="Run the same command with `belka --log-level DEBUG ...` and report what it prints.",
            )
        console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            console.print("".join(traceback.format_exception(cause)))
        console.print(f"error: {error}", style="red")
        sys.exit(error.exit_code)
