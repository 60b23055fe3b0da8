"""The `belka` command."""

import logging
import os
import platform
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from importlib.metadata import entry_points
from typing import Annotated, Any, Final, Literal, NoReturn

import typer
from rich.console import Console
from typer.core import TyperGroup
from typer.exceptions import TyperException

from belka.errors import BelkaError, InputError, InterruptedRunError, TerminatedError, explained
from belka.exit_codes import MEANINGS, ExitCode
from belka.files import own_temporary_folder
from belka.interrupts import leave, stop_of, stoppable, stopped_error
from belka.texts import for_terminal
from pipeline.cli import (
    champion,
    clean,
    data,
    enrichment,
    enumeration,
    export,
    kubeflow,
    lineage,
    predict,
    report,
    run,
    track,
    tune,
    worker,
)
from pipeline.cli.consoles import folded, open_standard_streams
from pipeline.cli.help_pages import make_readable
from pipeline.cli.options import ConfigOption, OutputDirOption, RawDirOption, SetOption, build_config
from pipeline.cli.places import places_at_hand
from pipeline.cli.usage import explained_use

COMMANDS: Final = "belka.commands"  # the group of entry points by which packages above the pipeline add commands

# What to type after a command was stopped; `belka run` and `belka step` say it themselves.
_AGAIN: Final = "Run the same command again. What it had begun to write is removed; what it had finished stays."


class _Commands(TyperGroup):
    """The commands; each ends on Ctrl-C, SIGTERM and a closed terminal with what to type to go on."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # as below
        """Read the options of the program itself; --help prints here."""
        make_readable(self, ctx)
        with _whole_output():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # typer's context is click's
        """Run a command."""
        try:
            with _whole_output(), places_at_hand():
                result = super().invoke(ctx)
        except typer.Exit:
            raise  # it has ended as it wanted
        except (KeyboardInterrupt, Exception) as error:
            # Libraries raise errors of their own while they clean up after a request to stop.
            stop = None if isinstance(error, InterruptedRunError | TerminatedError) else stop_of(error)
            if stop is not None:
                raise stopped_error(stop, action=_AGAIN) from error
            if isinstance(error, typer.Abort):  # typer's word for the end of standard input, too
                raise _unanswered() from error
            raise
        return result


def _unanswered() -> InputError:
    return InputError(
        "A question was not answered, and nothing was done.",
        received="the end of standard input",
        expected="y or n",
        action="Run it in a terminal, or with --yes where the command has that option.",
    )


@contextmanager
def _whole_output() -> Iterator[None]:
    """Write what was printed; end quietly where whoever read it has gone, as with `| head`."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        # Rich makes an exit of it.
        if not isinstance(end, BrokenPipeError) and not isinstance(end.__context__, BrokenPipeError):
            raise
        # The rest in the buffer would fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.READER_GONE) from None


_CODES: Final = "\n".join(["Exit codes:", *(f"{code:>3}  {meaning}" for code, meaning in MEANINGS.items())])

app = typer.Typer(
    name="belka",
    cls=_Commands,
    help="Machine learning on DNA-encoded libraries: raw BELKA files in; model, metrics and submission.csv out.",
    no_args_is_help=True,
    epilog=_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"belka {metadata.version('belka')} (Python {platform.python_version()})")
        raise typer.Exit


@app.callback()
def options(
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None,
        typer.Option(metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR of the log; DEBUG also prints tracebacks."),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback ends the program
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
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


app.command(epilog=_CODES)(run.run)
for _command in (
    run.step,
    data.make_demo_data,
    data.validate,
    predict.predict,
    lineage.lineage,
    report.report,
    enrichment.enrichment,
    clean.clean,
    export.export,
    track.track,
    tune.tune,
):
    app.command()(_command)
app.command("enumerate")(enumeration.enumerate_)
app.command("train-worker")(worker.train_worker)
app.command("compile")(kubeflow.compile_)
app.command()(kubeflow.submit)
app.command()(kubeflow.simulate)
app.add_typer(config_app, name="config")
app.add_typer(champion.champion_app, name="champion")
for _entry in entry_points(group=COMMANDS):
    app.add_typer(_entry.load(), name=_entry.name)


def program() -> NoReturn:
    """The console command: run the command line, and end the process."""
    leave(main())


def main() -> int:
    """Run the command line; every error ends in its exit code, with a traceback only under --log-level DEBUG.

    Returns:
        The exit code.
    """
    open_standard_streams()
    try:
        with stoppable(), own_temporary_folder():
            return _run()
    except KeyboardInterrupt as stop:  # while an error was told
        return stopped_error(stop, action=_AGAIN).exit_code


def _run() -> int:
    try:
        code = app(prog_name="belka", standalone_mode=False)
    except typer.Abort as abort:  # typer's word for a request to stop while options are read, too
        stop = stop_of(abort)
        return ExitCode.FAILED if stop is None else stopped_error(stop, action=_AGAIN).exit_code
    except Exception as cause:  # noqa: BLE001 - the last line of defence between a user and a traceback
        return _told(cause)
    return code if isinstance(code, int) else ExitCode.DONE


def _told(cause: Exception) -> int:
    """Tell an error; its exit code."""
    error = cause if isinstance(cause, BelkaError) else explained(cause)
    if isinstance(cause, TyperException):
        if not cause.format_message():  # a group of commands without one: its help has been printed
            return ExitCode.WRONG_INPUT
        error = explained_use(cause)
    if error is None:
        error = BelkaError(
            "An unexpected error: this is a defect of the program.",
            received=f"{type(cause).__name__}: {cause}",
            action="Run the same command with `belka --log-level DEBUG ...` and report what it prints.",
        )
    from belka.redaction import without_secrets  # its patterns take longer than --help may

    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        console.print(without_secrets("".join(traceback.format_exception(cause))))
    told = f"error: {for_terminal(without_secrets(str(error)))}"
    with suppress(OSError):  # standard error may be full, or its terminal closed; the exit code still tells
        console.print(folded(told, console.width) if console.is_terminal else told, style="red")
    return error.exit_code
