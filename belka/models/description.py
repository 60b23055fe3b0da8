"""belka.json: what an exported model is made of, what its inputs and outputs mean, and which code trained it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import DESCRIPTION_FILE, SAVED_MODEL_FILE
from belka.errors import InputError
from belka.models.calibration import Calibration
from belka.models.members import MEMBERS, TRANSFORMER, needs_blocks, needs_ecfp
from belka.state_files import read_state

MODEL_ACTION: Final = (
    "Give model/<version> of an output directory, the folder model itself, or a model artifact of the stage clf."
)


@dataclass(frozen=True)
class ModelDescription:
    """The content of belka.json.

    Attributes:
        model: Arguments of the model's constructor.
        vocabulary: Tokens, the index is the id.
        targets: Proteins, in the order of the outputs.
        ecfp: The fingerprint of the Examples it was trained on; None where it is not known.
        code: The code that trained it; empty where it is not known.
        spelling: `data.spelling` of the SMILES it was trained on; empty where it is not known.
        rdkit: Version of RDKit that spelled them; empty where it is not known.
        members: What the model is blended of, see `belka.models.members`.
        blend: How: weights, and what they were learnt from.
        calibration: What its signatures do to its log-odds; None = nothing.
    """

    model: Mapping[str, Any] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    ecfp: FingerprintSettings | None = None
    code: str = ""
    spelling: str = ""
    rdkit: str = ""
    members: tuple[str, ...] = (TRANSFORMER,)
    blend: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None

    @property
    def reads_ecfp(self) -> bool:
        """Whether the model takes a fingerprint beside the tokens."""
        return bool(self.model.get("ecfp_branch", False)) or needs_ecfp(self.members)

    @property
    def reads_blocks(self) -> bool:
        """Whether the model takes the bits of the building blocks beside the tokens."""
        return needs_blocks(self.members)


def write_description(folder: Path, description: ModelDescription) -> None:
    """Write belka.json into `folder`, which exists."""
    content = {**vars(description), "ecfp": description.ecfp and description.ecfp.stored()}
    if description.members == (TRANSFORMER,):
        # The files of a transformer alone are what they were before there were others.
        del content["members"], content["blend"]
    calibration = content.pop("calibration")
    if calibration is not None:
        content["calibration"] = asdict(calibration)
    (folder / DESCRIPTION_FILE).write_text(json.dumps(content, indent=1), encoding="utf-8")


def read_description(folder: Path) -> ModelDescription | None:
    """Read belka.json.

    Args:
        folder: An exported model.

    Returns:
        The description, in which whatever the file does not hold has its default; None where there is no file.

    Raises:
        InputError: The file is damaged.
    """
    file = folder / DESCRIPTION_FILE
    if not file.is_file():
        return None
    try:
        content = read_state(file, problem="It cannot be read.", expected="an object", action=MODEL_ACTION)
        ecfp, calibration = content.get("ecfp"), content.get("calibration")
        description = ModelDescription(
            dict(content.get("model", {})),
            tuple(content.get("vocabulary", ())),
            tuple(content.get("targets", ())),
            FingerprintSettings.parse(ecfp, source="its fingerprint", action=MODEL_ACTION) if ecfp else None,
            code=str(content.get("code", "")),
            spelling=str(content.get("spelling", "")),
            rdkit=str(content.get("rdkit", "")),
            members=tuple(content.get("members", (TRANSFORMER,))),
            blend=dict(content.get("blend", {})),
            calibration=None if calibration is None else Calibration.of(calibration),
        )
    except InputError as error:
        raise unreadable_description(folder, f"{error.problem} {error.received}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise unreadable_description(folder, f"{type(error).__name__}: {error}") from error
    if unknown := sorted(set(description.members) - MEMBERS.keys()):
        raise unreadable_description(folder, f"unknown members {', '.join(unknown)}; known are {', '.join(MEMBERS)}")
    return description


def unreadable_description(folder: Path, received: str) -> InputError:
    """The error of a description that is damaged, missing or incomplete."""
    return InputError(
        "The model's description cannot be read.",
        received=f"{folder / DESCRIPTION_FILE}: {received}",
        expected=f"the file as the trainer exports it beside {SAVED_MODEL_FILE}",
        action=MODEL_ACTION,
    )
