"""Lay the model in production out as TensorFlow Serving and KServe read it: one numbered folder, with a warm-up file.

Source: https://www.tensorflow.org/tfx/serving/serving_config (a server takes the highest number in the folder of a
model) and https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from belka.contract import PROVENANCE_FILE, SERVED_CONFIG_FILE
from belka.errors import InputError
from belka.files import atomic_path
from belka.models.champion import Champion, check_champion, read_champion
from belka.models.folder import open_model_folder
from belka.models.operations import check_model
from belka.provenance import check_whole
from belka.serving.warm_up import MODEL_NAME, WARM_UP_FILE, write_warm_up

_LONGEST_CONFIG: Final = 4096  # bytes; an own one has about 150


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        version: The numbered folder.
        requests: Requests in its warm-up file.
        removed: Versions that an earlier export left, and that servers would have preferred or kept.
    """

    version: Path
    requests: int
    removed: tuple[str, ...]


def export_champion(models: Path, folder: Path) -> Exported:
    """Write the model in production, and nothing else, for servers.

    Args:
        models: Folder of the pushed versions.
        folder: Receives `belka/<version>`; what an earlier export left there of other versions is removed when the new
            one is whole, so that a server which takes the highest number takes this one after a roll back as well.

    Returns:
        What was written.

    Raises:
        InputError: No model is in production, it is not what champion.json names, its version is no number, or the
            folder holds what no export wrote, or lies in that of the models.
        DamagedError: A file of the model is not as it was written.
    """
    _refuse_within(models, folder)
    champion = _champion(models)
    source = models / champion.version
    check_whole(source)
    check_model(source)
    check_champion(models, champion)
    place = folder / MODEL_NAME
    others = _earlier(folder, champion.version)
    with atomic_path(place / champion.version) as version:
        shutil.copytree(source, version)
        requests = write_warm_up(open_model_folder(source), version / WARM_UP_FILE)
    # Servers that follow the file shall find the new version in it before the one that they hold is gone.
    with atomic_path(folder / SERVED_CONFIG_FILE) as temporary:
        temporary.write_text(_config(champion.version), encoding="utf-8")
    for other in others:
        shutil.rmtree(other)
    return Exported(place / champion.version, requests, tuple(other.name for other in others))


def find_exported(place: Path) -> Path:
    """The folder of the one version that an export left for servers.

    Args:
        place: `belka` in the folder that `export_champion` wrote to.

    Raises:
        InputError: There is none, or more than one.
    """
    found = [each for each in sorted(place.glob("*")) if each.name.isdecimal() and each.is_dir()]
    if len(found) != 1:
        raise InputError(
            "There is not one version to serve.",
            received=f"{place.absolute()}: {', '.join(each.name for each in found) or 'no version'}",
            expected="the folder of the model as `belka export` wrote it, with the version in production alone",
            action="Run `belka export` into that folder again; it removes other versions.",
        )
    return found[0]


def _champion(models: Path) -> Champion:
    champion = read_champion(models)
    if champion is None or not champion.version.isdecimal():
        raise InputError(
            "No model is in production that a server can take.",
            received=f"{models.absolute()}: {champion.version if champion else 'no champion.json'}",
            expected="a version whose name is a number",
            action="Name the folder of the versions with --models, or put one into production: belka champion set.",
        )
    return champion


def _refuse_within(models: Path, folder: Path) -> None:
    """A version with a file more is no longer what was pushed, and is not believed."""
    if models.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise InputError(
            "The folder lies in that of the pushed models.",
            received=str(folder.absolute()),
            expected=f"one outside {models.absolute()}",
            action="Name another folder.",
        )


def _earlier(folder: Path, version: str) -> list[Path]:
    """Folders of other versions that an export left."""
    place, config = folder / MODEL_NAME, folder / SERVED_CONFIG_FILE
    found = sorted(place.iterdir()) if place.is_dir() else []
    strangers = [each for each in found if not _is_exported(each)]
    if (config.exists() or config.is_symlink()) and not _is_own_config(config):
        strangers.append(config)  # it may name models of others to the server
    if strangers:
        raise InputError(
            "The folder holds what no export wrote.",
            received=", ".join(str(each) for each in strangers[:5]),
            expected="an empty folder, or one of an earlier export",
            action="Name another folder.",
        )
    return [each for each in found if each.name != version]


def _is_exported(version: Path) -> bool:
    """Whether an export wrote it: a copy of a pushed version has no warm-up file, and a link leads elsewhere."""
    whole = (version / PROVENANCE_FILE).is_file() and (version / WARM_UP_FILE).is_file()
    return version.name.isdecimal() and whole and not version.is_symlink()


def _is_own_config(file: Path) -> bool:
    if not file.is_file() or file.is_symlink():
        return False
    text = file.read_bytes()[:_LONGEST_CONFIG].decode(errors="replace")
    named = re.search(r"versions: (\d+) ", text)
    return not text.strip("\0 \n") or (named is not None and text == _config(named[1]))


def _config(version: str) -> str:
    """TensorFlow Serving's configuration that names the version, for servers that shall never choose."""
    policy = f"model_version_policy {{ specific {{ versions: {version} }} }}"
    model = f'name: "{MODEL_NAME}" base_path: "/models/{MODEL_NAME}" model_platform: "tensorflow" {policy}'
    return f"model_config_list {{ config {{ {model} }} }}\n"
