"""`belka make-demo-data` and `belka validate`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.cli.options import ConfigOption, RawDirOption, SetOption, build_config


def make_demo_data(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")],
    molecules: Annotated[int, typer.Option("--molecules", help="Training molecules.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same files.")] = 42,
) -> None:
    """Write a small triazine library in the raw BELKA format, with labels from a documented rule."""
    from belka.demo.generate import make_demo_data as generate

    summary = generate(out, molecules=molecules, seed=seed)
    table = Table("demo data", escape(str(out)), box=None, pad_edge=False)
    for key, value in asdict(summary).items():
        table.add_row(key.replace("_", " "), str(value))
    Console().print(table)


def validate(config: ConfigOption = None, raw_dir: RawDirOption = None, overrides: SetOption = None) -> None:
    """Check raw files without writing anything: columns, types, labels, proteins, ids."""
    from components.parquet_merge.raw_input import validate_raw_files
    from pipeline.config.files import with_found_targets

    settings = with_found_targets(build_config(config, raw_dir, None, overrides))
    report = validate_raw_files(Path(settings.data.raw_dir), data=settings.data, system=settings.system)
    console = Console()
    table = Table("file", "rows", "unusable", box=None, pad_edge=False)
    table.add_column("why, with the first such row", overflow="fold")
    for file in report.files:
        unusable = sum(count.n_rows for count in file.rejected)
        table.add_row(escape(file.path.name), f"{file.n_rows:,}", f"{unusable:,}")
        for count in file.rejected:
            table.add_row("", "", f"{count.n_rows:,}", escape(f"{count.reason}: {count.example}"))
    console.print(table)
    console.print(f"targets: {', '.join(settings.data.targets)}", highlight=False)
    console.print(f"{report.n_blocks:,} building blocks, {report.n_test_only_blocks:,} of them in test only")
