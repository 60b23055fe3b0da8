"""`belka lineage`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from belka.files import atomic_path
from belka.places.names import place_of
from belka.places.uri import local_place
from belka.texts import for_terminal
from pipeline.cli.places import PATH, read_model, written_file

if TYPE_CHECKING:
    from pipeline.lineage import Lineage


def lineage(
    model: Annotated[
        Path,
        typer.Argument(parser=read_model, metavar="MODEL", help="Folder model/<version>, or model for production."),
    ],
    metadata: Annotated[
        Path | None,
        typer.Option(
            "--metadata",
            parser=local_place,
            metavar=PATH,
            help="SQLite file of ML Metadata to read instead of MODEL's provenance.",
        ),
    ] = None,
    all_settings: Annotated[
        bool, typer.Option("--all-settings", help="Also print settings that have their default values.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    openlineage: Annotated[
        Path | None,
        typer.Option(
            "--openlineage",
            parser=written_file,
            metavar="FILE",
            help="Write the steps as OpenLineage events, lines of JSON.",
        ),
    ] = None,
    croissant: Annotated[
        Path | None,
        typer.Option(
            "--croissant",
            parser=written_file,
            metavar="FILE",
            help="Write Croissant metadata of the merged table below it.",
        ),
    ] = None,
) -> None:
    """Print which raw files, configuration, code and artifacts produced a model; or tell other tools so."""
    if openlineage is not None or croissant is not None:
        _tell(model, openlineage, croissant)
        return
    from pipeline.lineage import trace_model

    traced = trace_model(model, metadata)
    known = {} if all_settings else _defaults()
    typer.echo(json.dumps(asdict(traced), indent=2) if as_json else for_terminal("\n".join(_lines(traced, known))))


def _tell(model: Path, openlineage: Path | None, croissant: Path | None) -> None:
    from pipeline.interchange.recorded import recorded_model

    known = recorded_model(model)
    if openlineage is not None:
        from pipeline.interchange.openlineage import run_events

        events = [f"{json.dumps(event)}\n" for event in run_events(known)]
        with atomic_path(openlineage) as temporary:
            temporary.write_text("".join(events), encoding="utf-8")
        typer.echo(f"{place_of(openlineage)}: {len(events)} events")
    if croissant is not None:
        from pipeline.interchange.croissant import table_metadata

        described = table_metadata(known, place_of(croissant.absolute()).rpartition("/")[0] or "/")
        with atomic_path(croissant) as temporary:
            temporary.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        typer.echo(f"{place_of(croissant)}: {len(described['distribution'])} distributions")


def _defaults() -> dict[str, Any]:
    from pipeline.config.settings import Config

    return dict(_flat(Config().model_dump(mode="json")))


def _lines(traced: "Lineage", defaults: Mapping[str, Any]) -> Iterator[str]:
    yield f"model    {traced.model}"
    yield f"         SHA-256 {traced.digest}"
    for name in traced.changed:
        yield f"         CHANGED since it was written: {name}"
    yield f"code     {traced.code or 'not named by the model'}"
    yield f"raw data {traced.raw_dir}"
    for name, content in traced.raw_files.items():
        yield f"         {name} SHA-256 {content}"
    if not traced.raw_files:
        yield f"         content: {traced.raw_digest or 'not named'}"
    for execution in traced.executions:
        yield ""
        yield f"{execution.node}  ({execution.id}, {execution.finished})"
        if execution.code:
            yield f"  code {execution.code}"
        for title, artifacts in (("in ", execution.inputs), ("out", execution.outputs)):
            for artifact in artifacts:
                yield f"  {title} {artifact.key}: {artifact.id}, {artifact.uri}"
        yield from _settings(execution.parameters, defaults)


def _settings(parameters: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    """The parameters of an execution, one a line; how many there are beside that have their default values."""
    left_out = 0
    for name, value in _flat(parameters):
        key = name.removeprefix("settings.").removeprefix("custom_config.")
        if key != name and key in defaults and defaults[key] == value:
            left_out += 1
        elif name not in ("raw_digest", "raw_fingerprint"):
            yield f"  {name} = {value}"
    if left_out:
        yield f"  {left_out} more with their default values: --all-settings"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None and value not in ("", {}):
            yield f"{prefix}{name}", value
