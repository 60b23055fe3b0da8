"""The `belka` command."""

import logging
import sys
import traceback
from enum import StrEnum
from importlib.metadata import entry_points
from typing import Annotated, Final

import typer
from rich.console import Console

from belka.errors import BelkaError
from pipeline.cli import config, data, kubeflow, lineage, predict, run

COMMANDS: Final = "belka.commands"  # the group of entry points that packages above the pipeline add commands by


class LogLevel(StrEnum):
    """Levels of Python's logging."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


app = typer.Typer(
    name="belka",
    help="Machine learning on DNA-encoded libraries: raw BELKA files in; model, metrics and submission.csv out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run.run)
app.command()(run.step)
app.command()(data.make_demo_data)
app.command()(data.validate)
app.command()(predict.predict)
app.command()(lineage.lineage)
app.command("compile")(kubeflow.compile_)
app.command()(kubeflow.submit)
app.command()(kubeflow.simulate)
app.add_typer(config.app, name="config")
for _command in entry_points(group=COMMANDS):
    app.add_typer(_command.load(), name=_command.name)


@app.callback()
def options(
    log_level: Annotated[LogLevel | None, typer.Option(help="Level of the log; DEBUG also prints tracebacks.")] = None,
) -> None:
    """Set what holds for every command."""
    if log_level is not None:
        logging.getLogger().setLevel(log_level.value)


def main() -> None:
    """Run the command line; every error ends in its exit code, with a traceback only under --log-level DEBUG."""
    try:
        app()
    except BelkaError as explained:
        cause: Exception = explained
        error = explained
    except Exception as unexpected:  # noqa: BLE001 - the last line of defence between a user and a traceback
        error = BelkaError(
            "An unexpected error: this is a defect of the program.",
            received=f"{type(unexpected).__name__}: {unexpected}",
            action="Run the same command with `belka --log-level DEBUG ...` and report what it prints.",
        )
        cause = unexpected
    else:
        return
    console = Console(stderr=True)
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        console.print("".join(traceback.format_exception(cause)), markup=False, highlight=False, soft_wrap=True)
    console.print(f"error: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(error.exit_code)
