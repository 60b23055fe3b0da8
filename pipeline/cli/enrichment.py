"""`belka enrichment`."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from rich.table import Table

from belka.contract import METADATA_FILE, Node
from belka.errors import InputError
from belka.places.names import place_of
from pipeline.cli.cells import cell
from pipeline.cli.consoles import open_console
from pipeline.cli.options import RunFolderOption, build_config, used_config
from pipeline.cli.places import PATH, read_place, written_file

if TYPE_CHECKING:
    import pyarrow as pa

PRINTED: Final = 10


def enrichment(
    output_dir: RunFolderOption = None,
    molecules: Annotated[
        Path | None,
        typer.Option(
            "--molecules",
            parser=read_place,
            metavar=PATH,
            help="Folder of a molecules table, in place of a run's statistics.",
        ),
    ] = None,
    target: Annotated[str | None, typer.Option("--target", help="One target; all if left out.")] = None,
    level: Annotated[Literal["block", "pair"], typer.Option("--level", help="Blocks, or pairs of blocks.")] = "block",
    top: Annotated[
        int | None,
        typer.Option("--top", min=1, help=f"Rows of each target; if left out {PRINTED} are printed, and all written."),
    ] = None,
    min_known: Annotated[int, typer.Option("--min-known", min=0, help="Least number of known labels.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", parser=written_file, metavar=PATH, help="Write .parquet, .csv or .tsv (or .gz, .zst) too."
        ),
    ] = None,
) -> None:
    """Print which building blocks, or pairs of them, bind more often than others do.

    Those come first whose odds are surely high: the interval of their shrunken odds begins highest. Only training
    molecules are counted.
    """
    if molecules is not None and output_dir is not None:
        raise InputError(
            "The command enrichment reads either a run's statistics or a molecules table.",
            received=f"--output-dir {output_dir} and --molecules {molecules}",
            expected="one of them, or none for the folder output",
            action="See `belka enrichment --help`.",
        )
    from belka.predict.output_table import check_output_name
    from belka.statistics.enrichment import most_enriched
    from belka.statistics.tables import read_summary

    check_output_name(out)
    with _statistics(output_dir, molecules) as folder:
        summary = read_summary(folder)
        # What is printed is the beginning of what is written.
        rows = top if out else top or PRINTED
        table = most_enriched(folder, level, target=target, top=rows, min_known=min_known)
    if out is not None:
        _write(table, out)
    _print(table, summary, limit=top or PRINTED)
    if out is not None:
        open_console().print(f"{place_of(out)}: {table.num_rows:,} rows", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _statistics(output_dir: Path | None, molecules: Path | None) -> Iterator[Path]:
    """The folder with the statistics; those of a molecules table are computed, and kept as long as they are read."""
    if molecules is None:
        yield _of_run(output_dir)
        return
    from belka.machine import worker_count
    from belka.statistics.compute import compute_statistics

    with tempfile.TemporaryDirectory() as temporary:
        compute_statistics(molecules, Path(temporary), n_workers=worker_count(0))
        yield Path(temporary)


def _of_run(output_dir: Path | None) -> Path:
    from pipeline.runners.outcomes import read_outcomes

    config = build_config(used_config(output_dir or Path("output")), output_dir=output_dir)
    outcomes = read_outcomes(config.output_dir / METADATA_FILE, config.pipeline_name)
    outcome = outcomes.get(Node.BLOCK_STATISTICS)
    folder = outcome.outputs.get("block_statistics") if outcome else None
    if folder is None or not folder.is_dir():
        raise InputError(
            "There are no statistics of blocks.",
            received=f"{config.output_dir}, where the step generate_parquet has left none",
            expected="the output directory of a run",
            action="Run `belka step generate_parquet` with this --output-dir, or name a molecules table: --molecules.",
        )
    return folder


def _write(table: "pa.Table", path: Path) -> None:
    from belka.predict.output_table import open_output
    from belka.statistics.enrichment import as_text

    plain = as_text(table)
    with open_output(path, plain.schema) as writer:
        for batch in plain.to_batches():
            writer.write_batch(batch)


def _print(table: "pa.Table", summary: Mapping[str, Any], *, limit: int) -> None:
    shown = Table(box=None, pad_edge=False)
    for name in ("target", "at", "odds x", "interval", "hits", "known"):
        shown.add_column(name, justify="left" if name in ("target", "at") else "right", no_wrap=True)
    shown.add_column("block", overflow="fold", min_width=16)
    printed: dict[str, int] = {}
    for row in _first_rows(table, limit):
        pair = "first_block" in row
        places = [str(row[name]) for name in (("first_position", "second_position") if pair else ("position",))]
        blocks = [row[name] for name in (("first_block", "second_block") if pair else ("block",))]
        low, high = _figure(row["odds_ratio_low"]), _figure(row["odds_ratio_high"])
        figures = (_figure(row["odds_ratio"]), f"{low} to {high}", f"{row['hits']:,}", f"{row['known']:,}")
        shown.add_row(cell(row["target"]), "+".join(places), *figures, cell("\n".join(blocks)))
        printed[row["target"]] = printed.get(row["target"], 0) + 1
    console = open_console()
    console.print(shown)
    console.print(
        f"{sum(printed.values()):,} rows; odds over the mean odds of the position, shrunken, with "
        f"{summary['confidence']:.0%} intervals; {summary['molecules']:,} molecules of {', '.join(summary['splits'])}",
        markup=False,
        highlight=False,
    )


def _first_rows(table: "pa.Table", limit: int) -> Iterator[dict[str, Any]]:
    """The first rows of each target; a target's rows lie together."""
    import pyarrow.compute as pc

    names = table["target"].cast("string")
    for name in names.unique().to_pylist():
        yield from table.filter(pc.equal(names, name)).slice(0, limit).to_pylist()


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits tell enough
