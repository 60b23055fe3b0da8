"""`belka predict`."""

import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from belka.errors import InputError
from belka.texts import for_terminal
from pipeline.cli.session import diverted


def predict(
    model: Annotated[Path, typer.Option("--model", help="Folder model/<version>, or model for the one in production.")],
    smiles: Annotated[
        list[str] | None, typer.Argument(metavar="SMILES", help="Any number; - reads standard input.")
    ] = None,
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="CSV, TSV, .smi, .sdf (or .gz, .zst), parquet, a folder of one of them, or - (CSV or SMILES).",
        ),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option("--output", help="CSV, TSV (or .gz, .zst) or parquet; CSV to standard output if left out."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option("--column", "--smiles-column", help="Column with the SMILES; found by name if left out."),
    ] = None,
    n_workers: Annotated[int, typer.Option("--workers", min=0, help="Processes that check SMILES; 0 = all cores.")] = 0,
    standardise: Annotated[
        bool, typer.Option("--standardise", help="Score the largest organic part of a salt or mixture, uncharged.")
    ] = False,
    trust_model: Annotated[
        bool, typer.Option("--trust-model", help="Load a model that you wrote, whatever operations it holds.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and the results asked for.")] = False,
) -> None:
    """Predict the probability of binding each protein for any SMILES, with or without [Dy].

    Every row is kept: one that is no molecule, or a line that is no row, has empty probabilities and says why in
    `problem`; doubtful ones say so in `warning`. A molecule has one score however it is spelled: it is brought to the
    spelling of the model's training.
    """
    if smiles == ["-"] and input_file is None:
        smiles, input_file = None, Path("-")
    if bool(smiles) == bool(input_file) or (smiles and output_file):
        raise InputError(
            "The command predict takes either SMILES or files.",
            received=f"{len(smiles or [])} SMILES, --input {input_file}, --output {output_file}",
            expected="SMILES as arguments, or --input (or -), with --output or without",
            action="See `belka predict --help`.",
        )
    from belka.models.operations import trusted_models

    trust = trusted_models() if trust_model else nullcontext()
    with _own_stderr(quiet=quiet) as console, trust:
        if input_file:
            _predict_file(model, input_file, output_file, column, n_workers, console, standardise=standardise)
        else:
            import pyarrow.csv as pc

            from belka.predict.predict import LoadedModel

            loaded = LoadedModel(model, standardise=standardise)
            pc.write_csv(loaded.predict(smiles or []), sys.stdout.buffer)
            _tell(console, loaded.notes)
        sys.stdout.flush()


def _tell(console: Console, note: str) -> None:
    if note:
        console.print(f"note: {for_terminal(note)}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _own_stderr(*, quiet: bool) -> Iterator[Console]:
    """Keep the terminal's stderr for this command: what libraries write to it is lost, unless --log-level is DEBUG."""
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        yield Console(stderr=True, quiet=quiet)
        return
    with tempfile.TemporaryFile() as sink, diverted([sys.stderr], sink) as terminal:
        yield Console(file=terminal, quiet=quiet)


def _predict_file(
    model: Path,
    input_file: Path,
    output_file: Path | None,
    column: str | None,
    n_workers: int,
    console: Console,
    *,
    standardise: bool,
) -> None:
    from belka.predict.predict import predict_file

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    started = time.monotonic()
    with Progress(
        *columns, console=console, transient=True, disable=console.quiet or not console.is_terminal
    ) as progress:
        task = progress.add_task("loading the model")

        def show(rows: int) -> None:
            progress.update(task, description=f"{rows:,} rows, {rows / (time.monotonic() - started):,.0f} rows/s")

        done = predict_file(
            model,
            input_file,
            output_file,
            column=column,
            n_workers=n_workers,
            standardise=standardise,
            on_progress=show,
        )
    seconds = time.monotonic() - started
    console.print(
        f"{output_file or 'standard output'}: "
        f"{done.rows:,} rows in {seconds:,.1f} s; {done.scored:,} scored, {done.warned:,} of them with "
        f"a warning, {done.rows - done.scored:,} without scores (see the column problem)",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    _tell(console, done.note)
