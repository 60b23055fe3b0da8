"""Tell a model registry of the model in production: version, figures, where it comes from, where it is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from belka.contract import MODEL_CARD_FILE
from belka.errors import InputError
from belka.models.champion import Champion, read_champion
from belka.places.names import place_of
from belka.places.uri import is_uri
from belka.provenance import Provenance, check_whole, recorded
from pipeline.registry.server import RegistryServer

_FORMAT: Final = {"modelFormatName": "tensorflow", "modelFormatVersion": "2"}  # as KServe names a SavedModel
_SOURCE: Final = "belka"
_HEADER: Final = "---\n"


@dataclass(frozen=True)
class Registered:
    """What the registry calls the version.

    Attributes:
        model: Id of the registered model.
        version: Id of the version.
        name: Name of the version, that of its folder.
        is_new: Whether it was told now; else it knew it.
    """

    model: str
    version: str
    name: str
    is_new: bool


def register_champion(models: Path, server: RegistryServer, name: str, uri: str | None = None) -> Registered:
    """Register the model in production, unless the registry knows it; what was cut off is completed.

    Args:
        models: Folder of the pushed versions.
        server: The registry.
        name: Name of the registered model.
        uri: Where servers find the version; None = the place of the folder.

    Returns:
        What the registry calls it.

    Raises:
        InputError: No model is in production, or the registry has another one of that name.
        DamagedError: A file of the model is not as it was written.
        BelkaError: The registry does not answer, or refuses.
    """
    champion = _champion(models)
    folder = models / champion.version
    check_whole(folder)
    known = recorded(folder)
    model = server.part(server.find_model(name) or server.add_model({"name": name, "state": "LIVE"}), "id")
    found = server.find_version(model, champion.version)
    if found:
        _check_same(found, champion, name)
    else:
        found = server.add_version(_version(model, champion, folder, known))
    version = server.part(found, "id")
    is_new = not server.artifacts(version)
    if is_new:
        server.part(server.add_artifact(version, _artifact(name, known, uri or _place(folder))), "id")
    return Registered(model, version, champion.version, is_new)


def _champion(models: Path) -> Champion:
    champion = read_champion(models)
    if champion is None:
        raise InputError(
            "No model is in production.",
            received=str(models.absolute()),
            expected="a folder of pushed versions with champion.json",
            action="Name it with --models, or put a version into production: belka champion set.",
        )
    return champion


def _place(folder: Path) -> str:
    place = place_of(folder.absolute())
    return place if is_uri(place) else Path(place).as_uri()


def _check_same(found: Mapping[str, Any], champion: Champion, name: str) -> None:
    digest = found.get("customProperties", {}).get("digest", {}).get("string_value")
    if digest != champion.digest:
        raise InputError(
            "The registry has another model of this name and version.",
            received=f"{name} {champion.version} with digest {digest or 'unknown'}",
            expected=f"digest {champion.digest}",
            action="Choose another name with --name.",
        )


def _version(model: str, champion: Champion, folder: Path, known: Provenance) -> dict[str, Any]:
    texts = {"digest": champion.digest, "code": known.code_version, **_lineage(known)}
    values: dict[str, dict[str, Any]] = {
        key: {"metadataType": "MetadataStringValue", "string_value": text} for key, text in texts.items()
    }
    for key, value in _figures(folder / MODEL_CARD_FILE):
        values[key] = {"metadataType": "MetadataDoubleValue", "double_value": value}
    return {"registeredModelId": model, "name": champion.version, "state": "LIVE", "customProperties": values}


def _lineage(known: Provenance) -> dict[str, str]:
    """Digests of the raw files, and of what every step made."""
    raw = {f"raw/{name}": digest for name, digest in known.origin.raw_files.items()}
    return {**raw, **{f"made/{each.step}/{each.output}": each.digest for each in known.upstream}}


def _figures(card: Path) -> Iterator[tuple[str, float]]:
    """The figures in the header of the model card; none of a card of an earlier version."""
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    if not text.startswith(_HEADER):
        return
    for index in yaml.safe_load(text.split(_HEADER)[1])["model-index"]:
        for result in index["results"]:
            for metric in result["metrics"]:
                yield metric["name"], float(metric["value"])


def _artifact(name: str, known: Provenance, uri: str) -> dict[str, Any]:
    source = {"modelSourceKind": _SOURCE, "modelSourceClass": "run", "modelSourceId": known.run}
    return {"artifactType": "model-artifact", "name": name, "uri": uri, "state": "LIVE", **_FORMAT, **source}
