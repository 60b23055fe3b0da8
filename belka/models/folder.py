"""Find an exported model in whatever folder the user names, and read what it predicts."""

from dataclasses import dataclass
from pathlib import Path

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import CHAMPION_FILE, SAVED_MODEL_FILE, SERVING_FOLDER
from belka.errors import InputError
from belka.models.champion import check_champion, read_champion
from belka.models.description import MODEL_ACTION, read_description, unreadable_description
from belka.models.members import TRANSFORMER, needs_blocks


@dataclass(frozen=True)
class ModelFolder:
    """An exported model.

    Attributes:
        path: The SavedModel.
        targets: Proteins, in the order of the outputs.
        vocabulary: Tokens the model knows.
        max_length: Tokens it reads; the rest of a molecule is cut.
        ecfp: The fingerprint it reads beside the SMILES; None = none.
        spelling: `data.spelling` of the SMILES it was trained on; empty = unknown.
        rdkit: Version of RDKit that spelled them; empty = unknown.
        members: What it is blended of, see `belka.models.members`.
    """

    path: Path
    targets: tuple[str, ...]
    vocabulary: frozenset[str]
    max_length: int
    ecfp: FingerprintSettings | None = None
    spelling: str = ""
    rdkit: str = ""
    members: tuple[str, ...] = (TRANSFORMER,)

    @property
    def is_ensemble(self) -> bool:
        """Whether it has other members than the transformer, and so a signature `features` and a spread."""
        return len(self.members) > 1

    @property
    def block_readers(self) -> tuple[str, ...]:
        """The members that read the bits of the building blocks."""
        return tuple(kind for kind in self.members if needs_blocks((kind,)))


def open_model_folder(folder: Path) -> ModelFolder:
    """Find the model and read its description.

    Args:
        folder: A pushed version; or the folder of the versions, of which the one in production is taken; or a model
            artifact.

    Returns:
        The model.

    Raises:
        InputError: There is no model, or it predicts no affinities.
    """
    path = find_saved_model(folder)
    description = read_description(path)
    if description is None:
        raise unreadable_description(path, "the file does not exist")
    mode, max_length = (description.model.get(name) for name in ("mode", "max_length"))
    if mode is None or max_length is None or (description.reads_ecfp and description.ecfp is None):
        raise unreadable_description(path, "it lacks mode or max_length, or ecfp, the fingerprint that the model reads")
    if mode != "clf":
        raise InputError(
            "The model does not predict affinities.",
            received=f"{path}: mode {mode}",
            expected="a model of the stage clf",
            action=MODEL_ACTION,
        )
    return ModelFolder(
        path,
        description.targets,
        frozenset(description.vocabulary),
        int(max_length),
        description.ecfp if description.reads_ecfp else None,
        description.spelling,
        description.rdkit,
        description.members,
    )


def find_saved_model(folder: Path) -> Path:
    """Find the SavedModel in a folder as users name it, see `open_model_folder`.

    Raises:
        InputError: There is none, or the one in production is not what was put there.
    """
    champion = read_champion(folder)
    for candidate in (folder, folder / SERVING_FOLDER):
        if (candidate / SAVED_MODEL_FILE).is_file():
            return candidate
    if champion is not None and (folder / champion.version / SAVED_MODEL_FILE).is_file():
        check_champion(folder, champion)
        return folder / champion.version
    raise InputError(
        "There is no exported model.",
        received=f"{folder.absolute()}" + ("" if folder.exists() else " (does not exist)"),
        expected=f"a folder with {SAVED_MODEL_FILE}, or with {CHAMPION_FILE}",
        action=MODEL_ACTION,
    )
