"""`belka predict --input`: a file, scored here or on an engine."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from belka.events.channel import listening
from belka.events.event import Event
from belka.events.node import node_at_work
from belka.places.names import place_of
from belka.progress import progress
from belka.texts import for_terminal
from pipeline.cli.amounts import shown_amount
from pipeline.cli.lines import SECONDS_BETWEEN, JsonLines
from pipeline.cli.options import LogFormat
from pipeline.events.event_file import Spaced


@dataclass(frozen=True)
class PredictedFile:
    """What is predicted of a file; the fields are options of the command."""

    model: Path
    input: Path
    output: Path | None
    column: str | None
    n_workers: int
    standardise: bool
    select: Sequence[str]
    trust_model: bool
    engine: Sequence[str]


def predict_whole_file(wanted: PredictedFile, console: Console, log_format: LogFormat) -> None:
    """Predict a file and say what came of it.

    Args:
        wanted: The file and how it is predicted.
        console: Where that is said.
        log_format: Of progress.
    """
    if wanted.engine:
        _score_on_engine(wanted, console, log_format)
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
    tell(console, done.note)


def _score_on_engine(wanted: PredictedFile, console: Console, log_format: LogFormat) -> None:
    """Have an engine's workers score the file; writing the output finds their scores."""
    from belka.predict.shares import shared_prediction
    from components.engine_prediction import score_on_engine, share_count
    from pipeline.config.files import load_config
    from pipeline.create_pipeline import beam_pipeline_args

    config, output = load_config(None, wanted.engine), wanted.output
    assert output is not None
    flags = beam_pipeline_args(config.beam, wanted.n_workers)
    whole = shared_prediction(
        wanted.model,
        wanted.input,
        output,
        column=wanted.column,
        standardise=wanted.standardise,
        trust_model=wanted.trust_model,
        n_shares=share_count(flags),
    )
    if log_format == "text":
        tell(console, f"{whole.n_shares} shares are scored by Beam's runner {config.beam.runner}")
    score_on_engine(whole, flags)


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


def tell(console: Console, note: str) -> None:
    """Print a note, where there is one."""
    if note:
        console.print(f"note: {for_terminal(note)}", markup=False, highlight=False, soft_wrap=True)
