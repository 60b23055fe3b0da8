"""`belka track`."""

from typing import Annotated

import typer

from belka.contract import METADATA_FILE
from belka.errors import InputError
from pipeline.cli.options import RunFolderOption, build_config, used_config


def track(
    output_dir: RunFolderOption = None,
    uri: Annotated[str | None, typer.Option("--uri", help="MLflow server; else tracking.uri of the run.")] = None,
    experiment: Annotated[str | None, typer.Option("--experiment", help="Else tracking.experiment.")] = None,
) -> None:
    """Tell a tracking server of a run that has ended: settings, scores, curves, pages, the pushed model.

    A run that it knows already is not told again.
    """
    given = {"tracking.uri": uri, "tracking.experiment": experiment}
    overrides = [f"{key}={value}" for key, value in given.items() if value]
    settings = build_config(used_config(output_dir), None, output_dir, overrides)
    if settings.tracking.uri is None:
        raise InputError(
            "No tracking server is named.",
            received="neither --uri nor tracking.uri",
            expected="the address of an MLflow server",
            action="Add --uri http://localhost:5000, where `mlflow server` listens.",
        )
    if not (settings.output_dir / METADATA_FILE).is_file():  # the server would have a run that never was
        raise InputError(
            "There is no run to tell of.",
            received=f"{settings.output_dir.absolute()} without {METADATA_FILE}",
            expected="the output directory of `belka run`",
            action="Correct --output-dir.",
        )
    from pipeline.tracking.track import tell  # reads ML Metadata: too slow for --help

    run = tell(settings, settings.tracking.uri)
    typer.echo(f"run {run} of the experiment {settings.tracking.experiment} at {settings.tracking.uri}")
