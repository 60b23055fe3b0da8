"""`belka champion`: which model is in production, and since when; another one, with a reason; a registry is told."""

from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.table import Table

from belka.places.names import place_of
from pipeline.cli.cells import cell
from pipeline.cli.consoles import open_console
from pipeline.cli.options import PUSHED_MODELS, PushedModelsOption
from pipeline.cli.session import own_stderr

_DIGITS: Final = 12  # of a digest

champion_app = typer.Typer(help="Look at the model in production, or change it.", no_args_is_help=True)


@champion_app.command("list")
def list_(models: PushedModelsOption = PUSHED_MODELS) -> None:
    """List the pushed versions; an arrow marks the one in production."""
    from belka.models.versions import list_versions

    shown = Table(box=None, pad_edge=False)
    for name in ("", "version", "pushed", "members", "targets", "digest", "problem"):
        shown.add_column(name, overflow="fold")
    versions = list_versions(models)
    for version in versions:
        shown.add_row(
            "->" if version.in_production else "",
            cell(version.name),
            _time_of(version.name),
            cell(", ".join(version.members)),
            cell(", ".join(version.targets)),
            version.digest[:_DIGITS],
            cell(version.problem),
        )
    console = open_console()
    console.print(shown)
    if not any(version.in_production for version in versions):
        console.print("None of them is in production.")


@champion_app.command()
def show(models: PushedModelsOption = PUSHED_MODELS) -> None:
    """Print which model is in production, and which ones were, with the reasons."""
    from belka.models.champion import champion_history, read_champion

    champion = read_champion(models)
    console = open_console()
    if champion is None:
        console.print(f"{place_of(models)}: no model is in production", markup=False, highlight=False, soft_wrap=True)
        return
    line = f"{place_of(models / champion.version)}: in production, digest {champion.digest}"
    console.print(cell(line), highlight=False, soft_wrap=True)
    for change in champion_history(models):
        line = f"{change.at}  {change.version}  {change.digest[:_DIGITS]}  {change.reason}"
        console.print(cell(line), highlight=False, soft_wrap=True)


@champion_app.command("set")
def set_(
    version: Annotated[str, typer.Argument(help="A version, as `belka champion list` names it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in champion.json.")],
    models: PushedModelsOption = PUSHED_MODELS,
) -> None:
    """Put a pushed version into production: roll back to an earlier one, or forward again.

    Its files are checked against its provenance first. Whatever names the folder of the versions (`belka predict
    --model output/model`, the next run's evaluation) takes this one from then on.
    """
    from belka.models.versions import set_champion

    with own_stderr():  # TensorFlow's notes
        changed = set_champion(models, version, reason)
    told = "in production now" if changed else "was in production already: nothing was changed"
    line = f"{place_of(models / version)}: {told}"
    open_console().print(cell(line), highlight=False, soft_wrap=True)


@champion_app.command()
def register(
    registry: Annotated[str, typer.Option("--registry", help="Address of a Model Registry of Kubeflow.")],
    models: PushedModelsOption = PUSHED_MODELS,
    name: Annotated[str, typer.Option("--name", help="Name of the registered model.")] = "belka",
    uri: Annotated[str | None, typer.Option("--uri", help="Where servers find the version; else its path.")] = None,
) -> None:
    """Tell a model registry of the model in production: digests, figures, lineage and place.

    A version that it knows is not told again. A token comes from MODEL_REGISTRY_TOKEN.
    """
    from pipeline.registry.register import register_champion
    from pipeline.registry.server import RegistryServer

    told = register_champion(models, RegistryServer(registry), name, uri)
    line = f"{name} {told.name}: {'registered' if told.is_new else 'known already'}, version {told.version}"
    open_console().print(cell(line), highlight=False, soft_wrap=True)


def _time_of(name: str) -> str:
    """When a version was pushed; empty where its name does not tell."""
    if not name.isdecimal() or len(name) > len("9999999999"):
        return ""
    return datetime.fromtimestamp(int(name), UTC).strftime("%Y-%m-%d %H:%M")
