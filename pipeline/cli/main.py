"""The `belka` command."""

import logging
import os
import sys
import traceback
from importlib.metadata import entry_points
from typing import Annotated, Any, Final, Literal

import typer
from rich.console import Console
from typer.core import TyperGroup

from belka.errors import BelkaError, explained
from belka.interrupts import stop_of, stoppable, stopped_error
from belka.texts import for_terminal
from pipeline.cli import clean, data, enrichment, enumeration, kubeflow, lineage, predict, run
from pipeline.cli.options import ConfigOption, OutputDirOption, RawDirOption, SetOption, build_config

COMMANDS: Final = "belka.commands"  # the group of entry points by which packages above the pipeline add commands

# What to type after a command was stopped; `belka run` and `belka step` say it themselves.
_AGAIN: Final = "Run the same command again. What it had begun to write is removed; what it had finished stays."


_BROKEN_PIPE: Final = 141  # what a shell reports of a program that SIGPIPE ended


class _Commands(TyperGroup):
    """The commands; each ends on Ctrl-C and SIGTERM with what to type to go on."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # typer's context is click's
        """Run a command."""
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read standard output has gone, as with `| head`. The rest in the buffer would fail again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(_BROKEN_PIPE) from None
        except (KeyboardInterrupt, Exception) as error:
            # Libraries raise errors of their own while they clean up after a request to stop.
            stop = None if isinstance(error, BelkaError) else stop_of(error)
            if stop is None:
                raise
            raise stopped_error(stop, action=_AGAIN) from error
        return result


app = typer.Typer(
    name="belka",
    cls=_Commands,
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


@config_app.command()
def reference() -> None:
    """Print each key with its values, default and meaning, as the page docs/configuration.md."""
    from pipeline.config.reference import reference_page

    typer.echo(reference_page(), nl=False)


for _command in (
    run.run,
    run.step,
    data.make_demo_data,
    data.validate,
    predict.predict,
    lineage.lineage,
    enrichment.enrichment,
    clean.clean,
):
    app.command()(_command)
app.command("enumerate")(enumeration.enumerate_)
app.command("compile")(kubeflow.compile_)
app.command()(kubeflow.submit)
app.command()(kubeflow.simulate)
app.add_typer(config_app, name="config")
for _entry in entry_points(group=COMMANDS):
    app.add_typer(_entry.load(), name=_entry.name)


def main() -> None:
    """Run the command line; every error ends in its exit code, with a traceback only under --log-level DEBUG."""
    try:
        with stoppable():
            app()
    except Exception as cause:  # noqa: BLE001 - the last line of defence between a user and a traceback
        error = cause if isinstance(cause, BelkaError) else explained(cause)
        if error is None:
            error = BelkaError(
                "An unexpected error: this is a defect of the program.",
                received=f"{type(cause).__name__}: {cause}",
                action="Run the same command with `belka --log-level DEBUG ...` and report what it prints.",
            )
        console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            console.print("".join(traceback.format_exception(cause)))
        console.print(f"error: {for_terminal(str(error))}", style="red")
        sys.exit(error.exit_code)
