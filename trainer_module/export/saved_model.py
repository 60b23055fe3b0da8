"""What an exported stage holds beside its SavedModel: weights and configuration, for the next stage and for tools.

saved_model.pb, variables/, assets/    for serving
belka.json                             constructor arguments of the model, vocabulary, targets, settings of the
fingerprint, code belka.weights.h5                       weights
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rdkit

from belka.chemistry.fingerprints import FingerprintSettings
from belka.code_version import code_version
from belka.contract import DESCRIPTION_FILE, SERVING_FOLDER, WEIGHTS_FILE
from belka.errors import InputError
from belka.models.calibration import Calibration
from belka.models.description import ModelDescription, read_description, write_description
from trainer_module.model import Belka

_ENCODER_KEYS: Final = ("depth", "num_heads", "num_layers", "activation", "vocab_size")


@dataclass(frozen=True)
class StoredModel:
    """A model and what its inputs and outputs mean.

    Attributes:
        model: The model.
        vocabulary: Tokens, the index is the id.
        targets: Proteins, in the order of the outputs (clf).
        ecfp: The fingerprint of its Examples; None where it is not known.
        spelling: `data.spelling` of its SMILES; empty where it is not known.
        calibration: What signatures do to its log-odds (clf); None = nothing.
    """

    model: Belka
    vocabulary: tuple[str, ...]
    targets: tuple[str, ...]
    ecfp: FingerprintSettings | None = None
    spelling: str = ""
    calibration: Calibration | None = None


def save_model(folder: Path, stored: StoredModel) -> None:
    """Write configuration and weights into `folder`, which exists."""
    description = ModelDescription(
        stored.model.arguments,
        stored.vocabulary,
        stored.targets,
        stored.ecfp,
        code_version(),
        stored.spelling,
        rdkit.__version__ if stored.spelling else "",
        calibration=stored.calibration,
    )
    write_description(folder, description)
    stored.model.save_weights(folder / WEIGHTS_FILE)


def load_model(folder: Path, *, dtype: str = "float32") -> StoredModel:
    """Read what `save_model` wrote.

    Args:
        folder: An exported model, or a Model artifact that holds one below `Format-Serving`.
        dtype: Keras's dtype policy for it.

    Returns:
        The model.

    Raises:
        InputError: If the folder holds no exported Belka model.
    """
    folder = exported_folder(folder)
    description = read_description(folder)
    if description is None:
        raise InputError(
            "There is no exported Belka model to start from.",
            received=f"{folder}, which has no {DESCRIPTION_FILE}",
            expected=f"a folder with {DESCRIPTION_FILE} and {WEIGHTS_FILE}, as each training stage exports it",
            action="Give the folder of an earlier stage's model, or leave the option out.",
        )
    model = Belka.from_config({**description.model, "dtype": dtype})
    model.load_weights(folder / WEIGHTS_FILE)
    return StoredModel(
        model,
        description.vocabulary,
        description.targets,
        description.ecfp,
        description.spelling,
        description.calibration,
    )


def exported_folder(folder: Path) -> Path:
    """Return where in a Model artifact the exported model is; the folder itself if it is one."""
    serving = folder / SERVING_FOLDER
    return serving if serving.is_dir() else folder


def warm_start(model: Belka, vocabulary: Sequence[str], source: Path) -> None:
    """Copy embeddings and encoder of an exported model into a new one; the heads stay new.

    Args:
        model: The new model.
        vocabulary: Its vocabulary.
        source: Folder of the exported model.

    Raises:
        InputError: If architecture or vocabulary differ; the message names the first key that does.
    """
    stored = load_model(source, dtype=model.variable_dtype)
    expected = {**{key: model.arguments[key] for key in _ENCODER_KEYS}, "vocabulary": list(vocabulary)}
    received = {**{key: stored.model.arguments[key] for key in _ENCODER_KEYS}, "vocabulary": list(stored.vocabulary)}
    for key, value in expected.items():
        if received[key] != value:
            raise InputError(
                f"The model to start from has another {key}.",
                received=f"{key} = {_shortened(received[key])} in {source}",
                expected=f"{key} = {_shortened(value)}",
                action="Train the earlier stage again with this configuration and vocabulary, or start without it.",
            )
    model.encoder.set_weights(stored.model.encoder.get_weights())


def _shortened(value: Any) -> str:
    return f"{len(value)} tokens ({' '.join(value[:8])} ...)" if isinstance(value, list) else str(value)
