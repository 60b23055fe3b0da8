"""`belka export`."""

from pathlib import Path
from typing import Annotated

import typer

from belka.places.names import place_of
from pipeline.cli.cells import cell
from pipeline.cli.consoles import open_console
from pipeline.cli.options import PUSHED_MODELS
from pipeline.cli.places import PATH, changed_folder, read_model
from pipeline.cli.session import own_stderr


def export(
    folder: Annotated[
        Path, typer.Argument(parser=changed_folder, metavar="DIR", help="Receives belka/<version> and models.config.")
    ],
    models: Annotated[
        Path, typer.Option("--models", parser=read_model, metavar=PATH, help="Folder of the pushed versions.")
    ] = PUSHED_MODELS,
) -> None:
    """Write the model in production, and no other, as TensorFlow Serving and KServe read it, with a warm-up file.

    Versions that an earlier export left there are removed: a server takes the highest number, also after a roll back.
    """
    from belka.serving.export import export_champion

    with own_stderr():  # TensorFlow's notes
        done = export_champion(models, folder)
    lines = [f"{place_of(done.version)}: {done.requests} requests to warm up with"]
    lines += [f"removed version {name} of an earlier export" for name in done.removed]
    for line in lines:
        open_console().print(cell(line), highlight=False, soft_wrap=True)
