"""`belka predict`."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from belka.errors import InputError
from belka.places.names import place_of
from belka.texts import from_bytes
from pipeline.cli.consoles import open_console
from pipeline.cli.options import LogFormatOption
from pipeline.cli.places import PATH, read_model, read_place, written_file
from pipeline.cli.predicted_file import PredictedFile, predict_whole_file, tell
from pipeline.cli.scores import print_scores
from pipeline.cli.session import own_stderr

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
EngineOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="beam.runner and beam.options of an engine whose workers score the file (docs/flink.md); repeatable.",
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
    engine: EngineOption = None,
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
    _check_arguments(smiles, input_file, output_file, select, engine)
    _check_outputs(output_file, explain)
    from belka.models.operations import trusted_models

    trust = trusted_models() if trust_model else nullcontext()
    with own_stderr() as terminal, trust:
        console = open_console(terminal, quiet=quiet)
        notes = open_console(terminal, quiet=quiet or log_format == "json")
        texts = _explained_texts(smiles, input_file, column) if explain else []
        if input_file:
            wanted = PredictedFile(
                model, input_file, output_file, column, n_workers, standardise, select or (), trust_model, engine or ()
            )
            predict_whole_file(wanted, console, log_format)
        else:
            _predict_few(model, smiles or [], notes, standardise=standardise)
        sys.stdout.flush()
        if explain:
            _explain(model, texts, explain, notes, standardise=standardise)


def _explained_texts(smiles: list[str] | None, input_file: Path | None, column: str | None) -> list[str | None]:
    from belka.explanation.write import first_smiles

    return first_smiles(input_file, column) if input_file else list(smiles or [])


def _explain(model: Path, texts: list[str | None], output: Path, console: Console, *, standardise: bool) -> None:
    from belka.explanation.write import explain_file

    done = explain_file(model, texts, output, standardise=standardise)
    more = "; the input has more" if done.left else ""
    tell(console, f"{place_of(output)}: what blocks and atoms of {done.molecules:,} molecules bring{more}")
    tell(console, done.summary)


def _check_arguments(
    smiles: Sequence[str] | None,
    input_file: Path | None,
    output_file: Path | None,
    select: Sequence[str] | None,
    engine: Sequence[str] | None,
) -> None:
    if engine and not (input_file and output_file and all(text.startswith("beam.") for text in engine)):
        raise InputError(
            "An engine scores a file into a file, and is all that --set describes here.",
            received=f"--input {input_file}, --output {output_file}, --set {', '.join(engine)}",
            expected="--input and --output on storage that every worker reaches, --set beam.runner and beam.options",
            action="See docs/flink.md.",
        )
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
    from belka.predict.output_table import open_output
    from belka.predict.predict import LoadedModel

    loaded = LoadedModel(model, standardise=standardise)
    scores = loaded.predict(list(map(from_bytes, smiles)))
    if sys.stdout.isatty():
        print_scores(open_console(), scores, loaded.targets)
    else:
        with open_output(None, scores.schema) as writer:
            for batch in scores.to_batches():
                writer.write_batch(batch)
    tell(console, loaded.notes)
