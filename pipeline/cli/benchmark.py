"""`belka benchmark`: our rate beside a plain reference in the same run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measurement import Comparison

app = typer.Typer(help="Measure our rate beside a plain reference in the same run.", no_args_is_help=True)

JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")]


@app.command()
def vocabulary(
    smiles: Annotated[int, typer.Option("--smiles", min=1, help="SMILES to scan.")] = 400_000, out: JsonOption = None
) -> None:
    """Tokens of a vocabulary: scan of bytes beside atomInSmiles."""
    from benchmarks.vocabulary import compare_vocabulary

    _show([compare_vocabulary(smiles)], out)


@app.command()
def merge(
    raw_dir: Annotated[Path, typer.Option("--raw-dir", help="Folder with train.parquet and test.parquet.")],
    memory_limit_gb: Annotated[float, typer.Option("--memory-limit-gb", min=0.5, help="Memory of each way, GB.")] = 2.0,
    work_dir: Annotated[Path | None, typer.Option("--work-dir", help="Folder for temporary files.")] = None,
    out: JsonOption = None,
) -> None:
    """Raw rows to molecules: ParquetMerge beside DuckDB's bare aggregation."""
    from benchmarks.merge import compare_merge
    from components.machine import worker_count

    _show([compare_merge(raw_dir, memory_limit_gb=memory_limit_gb, n_workers=worker_count(0), work_dir=work_dir)], out)


def _show(comparisons: "Sequence[Comparison]", out: Path | None) -> None:
    """Print the tables, and write the figures where asked."""
    from benchmarks.measurement import print_comparisons
    from components.atomic import atomic_path

    print_comparisons(comparisons, Console())
    if out is not None:
        with atomic_path(out) as partial:
            partial.write_text(json.dumps([comparison.as_dict() for comparison in comparisons], indent=2) + "\n")
