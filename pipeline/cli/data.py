"""`belka make-demo-data` and `belka validate`."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from belka.places.names import place_of
from pipeline.cli.cells import cell
from pipeline.cli.consoles import open_console
from pipeline.cli.options import ConfigOption, RawDirOption, SetOption, build_config
from pipeline.cli.places import PATH, changed_folder, with_raw_here

if TYPE_CHECKING:
    from components.parquet_merge.validate import SideReport, ValidationReport


def make_demo_data(
    out: Annotated[Path, typer.Option("--out", parser=changed_folder, metavar=PATH, help="Folder to write to.")],
    molecules: Annotated[int, typer.Option("--molecules", help="Training molecules.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same files.")] = 42,
) -> None:
    """Write a small triazine library in the raw BELKA format, with labels from a documented rule."""
    from belka.demo.generate import make_demo_data as generate

    summary = generate(out, molecules=molecules, seed=seed)
    table = Table("demo data", cell(place_of(out)), box=None, pad_edge=False)
    for key, value in asdict(summary).items():
        shown = (
            f"{value:,}" if isinstance(value, int) else ", ".join(f"{name} {each:.1%}" for name, each in value.items())
        )
        table.add_row(key.replace("_", " "), shown)
    open_console().print(table)


def validate(config: ConfigOption = None, raw_dir: RawDirOption = None, overrides: SetOption = None) -> None:
    """Say what a run would make of raw files, without writing anything; exit code 2 where it would refuse them."""
    from components.parquet_merge.validate import configured_and_found, validate_raw_files
    from pipeline.config.files import with_found_targets

    settings = with_found_targets(with_raw_here(build_config(config, raw_dir, None, overrides)))
    report = validate_raw_files(Path(settings.data.raw_dir), data=settings.data, system=settings.system)
    console = open_console()
    table = Table("file", "rows", "unusable", box=None, pad_edge=False)
    table.add_column("why, with the first such row", overflow="fold")
    for file in report.files:
        unusable = sum(count.n_rows for count in file.rejected)
        table.add_row(cell(file.path.name), f"{file.n_rows:,}", f"{unusable:,}")
        for count in file.rejected:
            table.add_row("", "", f"{count.n_rows:,}", cell(f"{count.reason}: {count.example}"))
    console.print(table)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in _findings(report):
        table.add_row(name, cell(value))
    for number, text in enumerate(configured_and_found(report, settings.data)):
        table.add_row("" if number else "targets", cell(text))
    if report.refusal is None:
        table.add_row("a run", "would start")
        console.print(table)
        return
    table.add_row("a run", "would refuse these files" + (", but start with" if report.remedies else ""))
    for remedy in report.remedies:
        table.add_row("", cell(f"--set '{remedy}'"))
    console.print(table)
    raise report.refusal


def _findings(report: "ValidationReport") -> Iterator[tuple[str, str]]:
    """Name and value of each line about molecules, pairs and SMILES."""
    yield "training", _side(report.training)
    if report.training.conflicts:
        yield "conflicting pairs", f"{report.training.conflicts:,} with rows of 0 and of 1; 1 wins"
    yield "test", _side(report.test)
    known = f"{report.n_blocks:,}, {report.n_test_only_blocks:,} of them in test only"
    none = "none named (--set data.columns.block1=COLUMN ...): molecules are held out for validation one by one"
    yield "building blocks", known if report.n_blocks else none
    sample = report.sample
    yield "SMILES", f"RDKit read {'all' if sample.is_whole else 'a sample of'} {sample.n_smiles:,}"
    for reason, number in sample.unusable.items():
        yield "", f"{number:,} x {reason}: {sample.first_unusable}"
    if sample.respelled:
        yield "", f"{sample.respelled:,} in another spelling than RDKit's canonical one"
    if sample.twins:
        yield "", f"{sample.twins:,} of these stand in the files in another spelling too: twins"


def _side(side: "SideReport") -> str:
    about = "" if side.is_exact else "about "
    source = "counted" if side.is_exact else "estimated from a sample of the molecules"
    return f"{about}{side.molecules:,} molecules, {about}{side.pairs:,} pairs ({source})"
