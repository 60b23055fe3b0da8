"""The model in production: a small file beside the pushed versions names it, on a laptop and in a pod alike.

A file, because resolver nodes, TFX's own way, do not exist on Kubeflow Pipelines. It names the version relative to its
own folder, so that the folder can be moved.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from belka.contract import CHAMPION_FILE, SAVED_MODEL_FILE
from belka.errors import InputError
from belka.files import is_name
from belka.state_files import read_state, write_state

_READ_BYTES: Final = 1 << 20
_PROBLEM: Final = "The pointer to the model in production cannot be read."
_EXPECTED: Final = '{"version": "<folder>", "digest": "<sha256>"}'
_ACTION: Final = (
    "Restore the file; or delete it, and the next model is judged by the absolute floors alone (`belka champion set` "
    "names one again)."
)
_CHECK: Final = "check"  # SHA-256 of all else; absent in what earlier versions of this program, or a user, wrote
_KEYS: Final = {"version", "digest", "history", _CHECK}
# What a SavedModel is made of; files that a push adds beside it do not change its digest.
_MODEL_FILES: Final = (SAVED_MODEL_FILE, "variables/*", "assets/*")


@dataclass(frozen=True)
class Champion:
    """The content of champion.json.

    Attributes:
        version: Folder of the pushed model, relative to that of the file.
        digest: `model_digest` of it.
    """

    version: str
    digest: str


@dataclass(frozen=True)
class ChampionChange:
    """One entry of the history in champion.json.

    Attributes:
        version: Folder of the model that went into production.
        digest: `model_digest` of it.
        at: When, in UTC, to the second, as ISO 8601 writes it.
        reason: Why, as whoever did it said.
    """

    version: str
    digest: str
    at: str
    reason: str


def read_champion(models_dir: Path) -> Champion | None:
    """Read which pushed model is in production.

    Args:
        models_dir: Folder of the pushed versions.

    Returns:
        The champion; None where no model was pushed yet.

    Raises:
        InputError: The file is damaged. It is never taken for a missing one: that would let any model through.
    """
    file = models_dir / CHAMPION_FILE
    if not file.exists():
        return None
    content = _read(file)
    version, digest = content.get("version"), content.get("digest")
    # The file names a folder beside it, never a way out of its own.
    if not isinstance(version, str) or not isinstance(digest, str) or not is_name(version):
        raise _unreadable(file, f"version {version!r}, digest {digest!r}")
    return Champion(version, digest)


def check_champion(models_dir: Path, champion: Champion) -> None:
    """Check that the files of the model in production are those that were put there.

    Args:
        models_dir: Folder of the pushed versions.
        champion: What champion.json names.

    Raises:
        InputError: They are not.
    """
    folder = models_dir / champion.version
    if (found := model_digest(folder)) != champion.digest:
        raise InputError(
            "The model in production is not the one that was put there.",
            received=f"{folder}: digest {found}",
            expected=f"digest {champion.digest}",
            action="Restore it, or choose another version with belka champion set.",
        )


def write_champion(models_dir: Path, champion: Champion, *, reason: str = "pushed") -> None:
    """Make a pushed model the one in production, and add that to the history.

    Args:
        models_dir: Folder of the pushed versions.
        champion: The model.
        reason: Why.

    Raises:
        InputError: The file that is there is damaged.
    """
    change = ChampionChange(**asdict(champion), at=datetime.now(UTC).isoformat(timespec="seconds"), reason=reason)
    history = [asdict(each) for each in (*champion_history(models_dir), change)]
    content = {**asdict(champion), "history": history}
    write_state(models_dir / CHAMPION_FILE, {**content, _CHECK: _check_of(content)})


def champion_history(models_dir: Path) -> tuple[ChampionChange, ...]:
    """Which models were in production, the present one last; empty where earlier versions of this program wrote none.

    Args:
        models_dir: Folder of the pushed versions.

    Raises:
        InputError: The file is damaged.
    """
    file = models_dir / CHAMPION_FILE
    entries = _read(file).get("history", []) if file.exists() else []
    try:
        return tuple(ChampionChange(**{name: str(value) for name, value in entry.items()}) for entry in entries)
    except (AttributeError, TypeError) as error:
        raise _unreadable(file, f"history {str(entries)[:100]}") from error


def _read(file: Path) -> dict[str, Any]:
    content = read_state(file, problem=_PROBLEM, expected=_EXPECTED, action=_ACTION)
    if unknown := content.keys() - _KEYS:
        raise _unreadable(file, f"unknown {', '.join(sorted(unknown))}")
    check = content.pop(_CHECK, None)
    if check is not None and check != _check_of(content):
        raise _unreadable(file, "it was changed since it was written")
    return content


def _check_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _unreadable(file: Path, received: str) -> InputError:
    return InputError(_PROBLEM, received=f"{file}: {received}", expected=_EXPECTED, action=_ACTION)


def model_digest(model_dir: Path) -> str:
    """Name the content of a SavedModel: equal for copies, whatever lies beside them.

    Args:
        model_dir: Folder with saved_model.pb.

    Returns:
        SHA-256 of the names and contents of its files, as hexadecimal text.
    """
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _MODEL_FILES for path in model_dir.glob(pattern) if path.is_file()):
        digest.update(f"{path.relative_to(model_dir)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as stream:
            while block := stream.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()
