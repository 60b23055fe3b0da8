"""belka.json: what an exported model is made of, what its inputs and outputs mean, and which code trained it."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import DESCRIPTION_FILE, SAVED_MODEL_FILE
from belka.errors import InputError
from belka.models.calibration import Calibration
from belka.models.members import MEMBERS, TRANSFORMER, needs_blocks, needs_ecfp
from belka.settings import TARGET_PATTERN
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
            _distinct_texts(content, "vocabulary", ()),
            _distinct_texts(content, "targets", ()),
            FingerprintSettings.parse(ecfp, source="its fingerprint", action=MODEL_ACTION) if ecfp else None,
            code=str(content.get("code", "")),
            spelling=str(content.get("spelling", "")),
            rdkit=str(content.get("rdkit", "")),
            members=_distinct_texts(content, "members", (TRANSFORMER,)),
            blend=dict(content.get("blend", {})),
            calibration=None if calibration is None else Calibration.of(calibration),
        )
        _refuse_unfit(description)
    except InputError as error:
        raise unreadable_description(folder, f"{error.problem} {error.received}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise unreadable_description(folder, f"{type(error).__name__}: {error}") from error
    if unknown := sorted(set(description.members) - MEMBERS.keys()):
        raise unreadable_description(folder, f"unknown members {', '.join(unknown)}; known are {', '.join(MEMBERS)}")
    return description


def _distinct_texts(content: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    texts = content.get(name, default)
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{name} is no list of texts")
    if len(set(texts)) != len(texts):
        raise ValueError(f"{name} has one text twice")
    return tuple(texts)


def _refuse_unfit(description: ModelDescription) -> None:
    """Refuse what no training writes: names of targets become columns, and lengths are counted with."""
    if odd := [target for target in description.targets if not re.fullmatch(TARGET_PATTERN, target)]:
        raise ValueError(f"{odd[0]!r} is no name of a target")
    if not description.members:  # another signature would be asked than the model was exported for
        raise ValueError("members is empty")
    length = description.model.get("max_length", 1)
    if type(length) is not int or length < 1:
        raise ValueError(f"max_length is {length!r}")
    lines = description.calibration
    if lines is not None and description.targets and len(lines.slopes) != len(description.targets):
        raise ValueError(f"{len(lines.slopes)} lines of a calibration for {len(description.targets)} targets")


def unreadable_description(folder: Path, received: str) -> InputError:
    """The error of a description that is damaged, missing or incomplete."""
    return InputError(
        "The model's description cannot be read.",
        received=f"{folder / DESCRIPTION_FILE}: {received}",
        expected=f"the file as the trainer exports it beside {SAVED_MODEL_FILE}",
        action=MODEL_ACTION,
    )
