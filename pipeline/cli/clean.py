"""`belka clean`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from belka.errors import InputError
from pipeline.cli.cells import cell
from pipeline.cli.consoles import open_console
from pipeline.cli.places import PATH, cleaned_folder


def clean(
    output_dir: Annotated[
        Path, typer.Option("--output-dir", parser=cleaned_folder, metavar=PATH, help="Folder of earlier runs.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """List what earlier runs and kills left and nothing needs, with sizes; then remove it.

    The last whole output of every step stays, and so do models, checkpoints, results and logs.
    """
    if not output_dir.is_dir():
        raise InputError(
            "There is no such output directory.",
            received=str(output_dir.absolute()),
            expected="the folder that --output-dir named in `belka run`",
            action="Correct the path.",
        )
    from belka.contract import METADATA_FILE
    from pipeline.runners.leftovers import find_leftovers, remove_leftovers
    from pipeline.runners.metadata_store import mend
    from pipeline.runners.output_lock import only_run_in

    output_dir = output_dir.absolute()
    console = open_console()
    with only_run_in(output_dir):
        mend(output_dir / METADATA_FILE)  # as the next run would: only a whole store knows what counts
        leftovers = find_leftovers(output_dir)
        if not leftovers:
            console.print("nothing to remove")
            return
        table = Table("bytes", box=None, pad_edge=False)
        table.add_column("what can go", overflow="fold")
        table.add_column("why", overflow="fold")
        for each in leftovers:
            table.add_row(f"{each.n_bytes:,}", cell(str(each.path.relative_to(output_dir))), each.why)
        table.add_row(f"{sum(each.n_bytes for each in leftovers):,}", f"all {len(leftovers)}", "")
        console.print(table)
        if yes or typer.confirm("Remove them?"):
            remove_leftovers(leftovers, output_dir)
            console.print("removed")
