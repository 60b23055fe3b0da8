"""`belka predict`."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from belka.errors import InputError
from belka.events.channel import listening
from belka.events.event import Event
from belka.events.node import node_at_work
from belka.places.names import place_of
from belka.progress import progress
from belka.texts import for_terminal
from pipeline.cli.amounts import shown_amount
from pipeline.cli.consoles import open_console
from pipeline.cli.lines import SECONDS_BETWEEN, JsonLines
from pipeline.cli.options import LogFormat, LogFormatOption
from pipeline.cli.places import PATH, read_model, read_place, written_file
from pipeline.cli.scores import print_scores
from pipeline.cli.session import own_stderr
from pipeline.events.event_file import Spaced

ModelOption = Annotated[
    Path,
    typer.Option(
        "--model", parser=read_model, metavar=PATH, help="Folder model/<version>, or model for the one in production."
    ),
]
InputOption = Annotated[
    Path | None,
    typer.Option(
        "--input",
        parser=read_place,
        metavar=PATH,
        help="CSV, TSV, .smi, .sdf (or .gz, .zst), parquet, a folder of one of them, or - (CSV or SMILES).",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        parser=written_file,
        metavar=PATH,
        help="CSV, TSV (or .gz, .zst) or parquet; CSV to standard output if left out.",
    ),
]
SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="TARGET:SHARE",
        help="Mark the rows of a list that holds at least this share of binders, such as sEH:0.9; repeatable.",
    ),
]
ExplainOption = Annotated[
    Path | None,
    typer.Option(
        "--explain",
        parser=written_file,
        metavar=PATH,
        help="Write what blocks and atoms of the first 100 bring: .csv, .tsv or .parquet.",
    ),
]


def predict(
    model: ModelOption,
    smiles: Annotated[
        list[str] | None, typer.Argument(metavar="SMILES", help="Any number; - reads standard input.")
    ] = None,
    input_file: InputOption = None,
    output_file: OutputOption = None,
    column: Annotated[
        str | None,
        typer.Option("--column", "--smiles-column", help="Column with the SMILES; found by name if left out."),
    ] = None,
    n_workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=0, help="Processes that check SMILES; 0 = all cores.")
    ] = 0,
    standardise: Annotated[
        bool, typer.Option("--standardise", help="Score the largest organic part of a salt or mixture, uncharged.")
    ] = False,
    select: SelectOption = None,
    trust_model: Annotated[
        bool, typer.Option("--trust-model", help="Load a model that you wrote, whatever operations it holds.")
    ] = False,
    explain: ExplainOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and the results asked for.")] = False,
    log_format: LogFormatOption = "text",
) -> None:
    """Predict the probability of binding each protein for any SMILES, with or without [Dy].

    Every row is kept: one that is no molecule, or a line that is no row, has empty probabilities and says why in
    `problem`; doubtful ones say so in `warning`. A molecule has one score however it is spelled: it is brought to the
    spelling of the model's training.
    """
    if smiles == ["-"] and input_file is None:
        smiles, input_file = None, Path("-")
    _check_arguments(smiles, input_file, output_file, select)
    _check_outputs(output_file, explain)
    from belka.models.operations import trusted_models

    trust = trusted_models() if trust_model else nullcontext()
    with own_stderr() as terminal, trust:
        console = open_console(terminal, quiet=quiet)
        texts = _explained_texts(smiles, input_file, column) if explain else []
        if input_file:
            wanted = _File(model, input_file, output_file, column, n_workers, standardise, tuple(select or ()))
            _predict_file(wanted, console, log_format)
        else:
            _predict_few(model, smiles or [], console, standardise=standardise)
        sys.stdout.flush()
        if explain:
            _explain(model, texts, explain, console, standardise=standardise)


def _explained_texts(smiles: list[str] | None, input_file: Path | None, column: str | None) -> list[str | None]:
    from belka.explanation.write import first_smiles

    return first_smiles(input_file, column) if input_file else list(smiles or [])


def _explain(model: Path, texts: list[str | None], output: Path, console: Console, *, standardise: bool) -> None:
    from belka.explanation.write import explain_file

    done = explain_file(model, texts, output, standardise=standardise)
    more = "; the input has more" if done.left else ""
    _tell(console, f"{place_of(output)}: what blocks and atoms of {done.molecules:,} molecules bring{more}")
    _tell(console, done.summary)


def _check_arguments(
    smiles: Sequence[str] | None, input_file: Path | None, output_file: Path | None, select: Sequence[str] | None
) -> None:
    if bool(smiles) == bool(input_file) or (smiles and (output_file or select)):
        raise InputError(
            "The command predict takes either SMILES or files.",
            received=f"{len(smiles or [])} SMILES, --input {input_file}, --output {output_file}, --select {select}",
            expected="SMILES as arguments, or --input (or -), with or without --output and --select",
            action="See `belka predict --help`.",
        )


def _check_outputs(output_file: Path | None, explain: Path | None) -> None:
    """Before anything is scored: what is told last is written last."""
    from belka.predict.output_table import check_output_name

    check_output_name(output_file)
    check_output_name(explain)
    if output_file and explain and output_file.absolute() == explain.absolute():
        raise InputError(
            "The explanation would replace the predictions.",
            received=f"{place_of(explain)} for both",
            expected="a file for each",
            action="Give --explain another name.",
        )


def _predict_few(model: Path, smiles: Sequence[str], console: Console, *, standardise: bool) -> None:
    import pyarrow.csv as pc

    from belka.predict.predict import LoadedModel

    loaded = LoadedModel(model, standardise=standardise)
    scores = loaded.predict(smiles)
    if sys.stdout.isatty():
        print_scores(open_console(), scores, loaded.targets)
    else:
        pc.write_csv(scores, sys.stdout.buffer)
    _tell(console, loaded.notes)


def _tell(console: Console, note: str) -> None:
    if note:
        console.print(f"note: {for_terminal(note)}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _shown(
    console: Console, log_format: LogFormat, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Event], None]]:
    """Who hears of the progress: a live line on a terminal, a line now and then elsewhere, or lines of JSON."""
    if log_format == "json":
        yield JsonLines(console, clock=clock)
        return
    columns, spaced = (
        (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()),
        Spaced(SECONDS_BETWEEN, clock=clock),
    )
    live = console.is_terminal and not console.quiet
    with Progress(*columns, console=console, transient=True, disable=not live) as shown:
        task = shown.add_task("loading the model")

        def hear(event: Event) -> None:
            if event.progress is None:
                return
            if live and event.progress.done:
                shown.update(task, description=shown_amount(event.progress))
            elif not live and spaced.keeps(event):
                console.print(shown_amount(event.progress), markup=False, highlight=False, soft_wrap=True)

        yield hear


@dataclass(frozen=True)
class _File:
    """What is predicted of a file; the fields are options of the command."""

    model: Path
    input: Path
    output: Path | None
    column: str | None
    n_workers: int
    standardise: bool
    select: tuple[str, ...]


def _predict_file(wanted: _File, console: Console, log_format: LogFormat) -> None:
    from belka.predict.predict import predict_file
    from belka.predict.select_rows import Wish

    started = time.monotonic()
    with (
        _shown(console, log_format) as hear,
        listening(hear),
        node_at_work("predict"),
        progress("scoring", "rows") as scored,
    ):
        written = 0

        def count(rows: int) -> None:
            nonlocal written
            scored.add(rows - written)
            written = rows

        done = predict_file(
            wanted.model,
            wanted.input,
            wanted.output,
            column=wanted.column,
            n_workers=wanted.n_workers,
            standardise=wanted.standardise,
            select=[Wish.parse(text) for text in wanted.select],
            on_progress=count,
        )
        scored.add(0, {"scored": done.scored, "with a warning": done.warned})
    if log_format == "json":
        return
    seconds = time.monotonic() - started
    console.print(
        f"{place_of(wanted.output) if wanted.output else 'standard output'}: "
        f"{done.rows:,} rows in {seconds:,.1f} s; {done.scored:,} scored, {done.warned:,} of them with "
        f"a warning, {done.rows - done.scored:,} without scores (see the column problem)",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for told in done.selected:
        console.print(for_terminal(told), markup=False, highlight=False, soft_wrap=True)
    _tell(console, done.note)
