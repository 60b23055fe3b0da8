"""The pushed versions of a model, and which of them is in production."""

from dataclasses import dataclass
from pathlib import Path

from belka.contract import SAVED_MODEL_FILE
from belka.errors import InputError
from belka.models.champion import Champion, model_digest, read_champion, write_champion
from belka.models.folder import open_model_folder
from belka.models.operations import check_model


@dataclass(frozen=True)
class Version:
    """A pushed model.

    Attributes:
        name: Its folder.
        digest: `belka.models.champion.model_digest` of it.
        members: What it is blended of.
        targets: What it predicts.
        in_production: Whether champion.json names it.
        problem: Why it cannot be used; empty where it can.
    """

    name: str
    digest: str
    members: tuple[str, ...]
    targets: tuple[str, ...]
    in_production: bool
    problem: str = ""


def list_versions(models_dir: Path) -> list[Version]:
    """The pushed versions in the order of their names, which are seconds since 1970.

    Args:
        models_dir: Folder of the versions.

    Raises:
        InputError: There is no such folder, or champion.json is damaged.
    """
    if not models_dir.is_dir():
        raise InputError(
            "There is no folder of pushed models.",
            received=str(models_dir.absolute()),
            expected="the folder model of an output directory",
            action="Name it with --models.",
        )
    champion = read_champion(models_dir)
    folders = [path for path in models_dir.iterdir() if (path / SAVED_MODEL_FILE).is_file()]
    return [
        _version(folder, champion)
        for folder in sorted(folders, key=lambda path: (not path.name.isdecimal(), len(path.name), path.name))
    ]


def set_champion(models_dir: Path, name: str, reason: str) -> bool:
    """Put a pushed version into production, an earlier one too.

    Args:
        models_dir: Folder of the versions.
        name: The version.
        reason: Why; it is kept.

    Returns:
        Whether it was another one before.

    Raises:
        InputError: There is no such version, it cannot be used, or there is no reason.
    """
    versions = {version.name: version for version in list_versions(models_dir)}
    if name not in versions:
        raise InputError(
            "There is no such version.",
            received=f"{name} in {models_dir}",
            expected=" or ".join(versions) or "a pushed model",
            action="See `belka champion list`.",
        )
    version = versions[name]
    if version.problem:
        raise InputError(
            "The version cannot be put into production.",
            received=f"{models_dir / name}: {version.problem}",
            expected="a whole model that predicts affinities",
            action="Choose another version, or restore this one.",
        )
    if not reason.strip():
        raise InputError(
            "A change of the model in production needs a reason.",
            received="an empty reason",
            expected="a few words for those who read the history",
            action="Give one with --reason.",
        )
    check_model(models_dir / name)
    champion = Champion(name, version.digest)
    if read_champion(models_dir) == champion:
        return False
    write_champion(models_dir, champion, reason=reason.strip())
    return True


def _version(folder: Path, champion: Champion | None) -> Version:
    in_production = champion is not None and champion.version == folder.name
    digest, problem = model_digest(folder), ""
    if in_production and champion is not None and champion.digest != digest:
        problem = "its files are not those that went into production"
    try:
        opened = open_model_folder(folder)
    except InputError as error:
        return Version(folder.name, digest, (), (), in_production, f"{error.problem} {error.received}")
    return Version(folder.name, digest, opened.members, opened.targets, in_production, problem)
