"""Find an exported model in whatever folder the user names, and read what it predicts."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from belka.chemistry.fingerprints import FingerprintSettings
from belka.errors import InputError
from belka.models.champion import read_champion

DESCRIPTION_FILE: Final = "belka.json"
_ACTION: Final = (
    "Give model/<version> of an output directory, the folder model itself, or a model artifact of the stage clf."
)


@dataclass(frozen=True)
class ModelFolder:
    """An exported model.

    Args:
        path: The SavedModel.
        targets: Proteins, in the order of the outputs.
        vocabulary: Tokens the model knows.
        max_length: Tokens it reads; the rest of a molecule is cut.
        ecfp: The fingerprint it reads beside the SMILES; None = none.
    """

    path: Path
    targets: tuple[str, ...]
    vocabulary: frozenset[str]
    max_length: int
    ecfp: FingerprintSettings | None = None


def open_model_folder(folder: Path) -> ModelFolder:
    """Find the model and read its description.

    Args:
        folder: A pushed version; or the folder of the versions, of which the one in production is taken; or a model artifact.

    Returns:
        The model.

    Raises:
        InputError: There is no model, or it predicts no affinities.
    """
    path = find_saved_model(folder)
    try:
        content = json.loads((path / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        arguments, targets, vocabulary = content["model"], content["targets"], content["vocabulary"]
        mode, max_length = arguments["mode"], int(arguments["max_length"])
        ecfp = FingerprintSettings(**content["ecfp"]) if arguments.get("ecfp_branch", False) else None
    except (OSError, ValueError, KeyError, TypeError, InputError) as error:
        raise InputError(
            "The model's description cannot be read.",
            received=f"{path / DESCRIPTION_FILE}: {type(error).__name__}: {error}",
            expected="the file as the trainer exports it beside saved_model.pb",
            action=_ACTION,
        ) from error
    if mode != "clf":
        raise InputError(
            "The model does not predict affinities.",
            received=f"{path}: mode {mode}",
            expected="a model of the stage clf",
            action=_ACTION,
        )
    return ModelFolder(path, tuple(targets), frozenset(vocabulary), max_length, ecfp)


def find_saved_model(folder: Path) -> Path:
    """Find the SavedModel in a folder as users name it, see `open_model_folder`.

    Raises:
        InputError: There is none.
    """
    champion = read_champion(folder)
    candidates = [folder, folder / "Format-Serving", *([folder / champion.version] if champion else [])]
    for candidate in candidates:
        if (candidate / "saved_model.pb").is_file():
            return candidate
    raise InputError(
        "There is no exported model.",
        received=f"{folder.absolute()}" + ("" if folder.exists() else " (does not exist)"),
        expected="a folder with saved_model.pb, or with champion.json",
        action=_ACTION,
    )
