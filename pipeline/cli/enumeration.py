"""`belka enumerate`."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from belka.errors import InputError
from belka.places.names import place_of
from pipeline.cli.consoles import open_console
from pipeline.cli.places import PATH, file_written_here, read_model, read_place

if TYPE_CHECKING:
    from belka.enumeration.enumerate import Enumerated, Source
    from belka.enumeration.library import ProductLibrary
    from belka.models.folder import ModelFolder

_POOL = 10  # molecules that the model ranks for each that is asked for

Block1Option = Annotated[
    Path | None,
    typer.Option("--block1", parser=read_place, metavar=PATH, help="SMILES of the blocks of position 1, a file."),
]
Block2Option = Annotated[Path | None, typer.Option("--block2", parser=read_place, metavar=PATH, help="Of position 2.")]
Block3Option = Annotated[
    Path | None, typer.Option("--block3", parser=read_place, metavar=PATH, help="Of position 3; may be the same file.")
]
LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        parser=read_place,
        metavar=PATH,
        help="Molecules table, or raw table, whose blocks are combined.",
    ),
]
ModelOption = Annotated[
    Path | None, typer.Option("--model", parser=read_model, metavar=PATH, help="Folder model/<version>, or model.")
]
OddsOption = Annotated[
    Path | None,
    typer.Option(
        "--odds",
        parser=read_place,
        metavar=PATH,
        help="Block statistics or molecules table: odds of pairs of blocks score.",
    ),
]
FilterOption = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="PROPERTY<=VALUE", help="mw, logp, tpsa, hbd, hba, ...; may be repeated."),
]


def enumerate_(
    top: Annotated[int, typer.Option("--top", min=1, help="How many molecules.")],
    out: Annotated[
        Path,
        typer.Option("--out", parser=file_written_here, metavar=PATH, help=".parquet, .csv or .tsv (or .gz, .zst)."),
    ],
    library: LibraryOption = None,
    block1: Block1Option = None,
    block2: Block2Option = None,
    block3: Block3Option = None,
    model: ModelOption = None,
    odds: OddsOption = None,
    target: Annotated[str | None, typer.Option("--target", help="What to rank by; may be left out of one.")] = None,
    rank_by: Annotated[
        Literal["model", "score"] | None,
        typer.Option("--rank-by", help="The whole model, or the score alone. With --model the model."),
    ] = None,
    pool: Annotated[
        int | None, typer.Option("--pool", min=1, help=f"Best by score that are ranked; {_POOL} times --top.")
    ] = None,
    filters: FilterOption = None,
    per_block: Annotated[int | None, typer.Option("--per-block", min=1, help="Most molecules of a block.")] = None,
    per_pair: Annotated[int | None, typer.Option("--per-pair", min=1, help="Most of a pair of blocks.")] = None,
    max_similarity: Annotated[
        float | None, typer.Option("--max-similarity", min=0.0, max=1.0, help="Tanimoto; none is as like another.")
    ] = None,
    trust_model: Annotated[bool, typer.Option("--trust-model", help="Load a model that you wrote.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Find the best of all molecules that a library's blocks can be joined to, without scoring each of them.

    The score is that of the model's linear member, or with --odds that of pairs of blocks; the best by it are exact.
    The whole model ranks them then. docs/enumeration.md says what is exact.
    """
    from belka.enumeration.enumerate import Ranking, enumerate_library
    from belka.enumeration.properties import parse_filters
    from belka.enumeration.select import Wanted
    from belka.models.operations import trusted_models
    from belka.predict.output_table import check_output_name

    started = time.monotonic()
    _check(library, (block1, block2, block3), model, odds, rank_by)
    check_output_name(out)
    wanted = Wanted(top, parse_filters(filters or ()), per_block, per_pair, max_similarity)
    by_model = model is not None and rank_by != "score"
    ranking = Ranking(pool or (_POOL * top if by_model else top), by_model)
    with trusted_models() if trust_model else nullcontext():
        source, name, made_from = _source(_library(library, block1, block2, block3), model, odds, target)
        result = enumerate_library(source, name, wanted, ranking)
    options = {"top": top, "target": name, "rank_by": "model" if ranking.by_model else "score", "pool": ranking.pool}
    given = {"library": library, "block1": block1, "block2": block2, "block3": block3}
    options |= {"filters": filters or [], **{key: _named(path) for key, path in given.items() if path}}
    options |= {"per_block": per_block, "per_pair": per_pair, "max_similarity": max_similarity}
    _write(result, out, {**options, **made_from})
    _tell(result, out, open_console(quiet=quiet), time.monotonic() - started, top)


def _check(
    library: Path | None, blocks: tuple[Path | None, ...], model: Path | None, odds: Path | None, rank_by: str | None
) -> None:
    if bool(library) == any(blocks) or (any(blocks) and not all(blocks)):
        raise InputError(
            "The command enumerate takes one library.",
            received=f"--library {library}, --block1 {blocks[0]}, --block2 {blocks[1]}, --block3 {blocks[2]}",
            expected="--library, or all of --block1, --block2 and --block3",
            action="See `belka enumerate --help`.",
        )
    if not (model or odds) or (rank_by == "model" and not model):
        raise InputError(
            "There is nothing to rank by.",
            received=f"--model {model}, --odds {odds}, --rank-by {rank_by}",
            expected="--model with a linear member, or --odds; or both, and the model ranks what odds find",
            action="See `belka enumerate --help`.",
        )


def _library(library: Path | None, block1: Path | None, block2: Path | None, block3: Path | None) -> "ProductLibrary":
    from belka.enumeration.read_library import library_of_files, library_of_molecules, library_of_table

    if library is None:
        assert block1 is not None
        assert block2 is not None
        assert block3 is not None
        return library_of_files(block1, block2, block3)
    return library_of_molecules(library) if _is_molecules(library) else library_of_table(library)


def _named(path: Path) -> dict[str, str]:
    """Where an input lies, and the digest of its content."""
    from belka.digests import file_digest
    from belka.provenance import folder_digest

    return {"path": place_of(path), "digest": folder_digest(path) if path.is_dir() else file_digest(path)}


def _is_molecules(folder: Path) -> bool:
    from belka.contract import split_folder

    return any(folder.glob(split_folder("*")))


def _source(
    library: "ProductLibrary", model: Path | None, odds: Path | None, target: str | None
) -> tuple["Source", str, dict[str, Any]]:
    from belka.enumeration.enumerate import linear_source, pair_source
    from belka.models.champion import model_digest
    from belka.models.folder import open_model_folder
    from belka.provenance import folder_digest
    from belka.statistics.tables import read_summary

    opened: ModelFolder | None = open_model_folder(model) if model else None
    made_from = {} if opened is None else {"model": place_of(opened.path), "model_digest": model_digest(opened.path)}
    if odds is None:
        assert opened is not None, "checked before"
        name = _only(target, opened.targets)
        return linear_source(opened, name, library), name, {"score": "linear member", **made_from}
    with _statistics(odds) as folder:
        name = _only(target, tuple(read_summary(folder)["targets"]))
        made_from |= {"score": "odds of pairs", "odds": place_of(odds), "odds_digest": folder_digest(folder)}
        return pair_source(folder, name, library, opened), name, made_from


def _only(target: str | None, targets: tuple[str, ...]) -> str:
    if target is not None or len(targets) == 1:
        return target or targets[0]
    raise InputError(
        "There are several targets to rank by.",
        received="no --target",
        expected=" or ".join(targets),
        action="Name one of them with --target.",
    )


@contextmanager
def _statistics(folder: Path) -> Iterator[Path]:
    """The folder with the statistics; those of a molecules table are computed."""
    if not _is_molecules(folder):
        yield folder
        return
    from belka.machine import worker_count
    from belka.statistics.compute import compute_statistics

    with tempfile.TemporaryDirectory() as temporary:
        compute_statistics(folder, Path(temporary), n_workers=worker_count(0))
        yield Path(temporary)


def _write(result: "Enumerated", out: Path, made_from: dict[str, Any]) -> None:
    from belka.enumeration.record import write_record
    from belka.predict.output_table import open_output

    with open_output(out, result.table.schema) as writer:
        for batch in result.table.to_batches():
            writer.write_batch(batch)
    write_record(out, result, made_from)


def _tell(result: "Enumerated", out: Path, console: Console, seconds: float, top: int) -> None:
    counts, passed = result.best.counts, result.chosen.passed_over
    share = counts.opened / max(counts.products, 1)
    lines = [f"{out}: {result.table.num_rows:,} molecules in {seconds:,.1f} s"]
    lines.append(
        f"{counts.products:,} products: {counts.opened:,} scored ({share:.3%}), {counts.bounded:,} excluded by bounds "
        "of partial products"
    )
    if passed:
        lines.append("passed over: " + ", ".join(f"{passed[reason]:,} by {reason}" for reason in sorted(passed)))
    if result.table.num_rows < top:
        lines.append(f"no more than these of {len(result.best.scores):,} that were looked at may be taken")
    if result.ties:
        lines.append(f"{result.ties:,} more rank like the last: those whose blocks come first were taken")
    if left_out := len(result.library.left_out):
        lines.append(f"{left_out:,} blocks were left out: {out}.provenance.json says why")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
