"""Push a blessed model into the folder of versions and make it the champion."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from belka.errors import BelkaError
from belka.files import atomic_path
from belka.models.champion import Champion, model_digest, read_champion, write_champion


def copy_version(model_dir: Path, models_dir: Path) -> Path:
    """Copy a model into a new version, named by the seconds since 1970 as TFX does, or by the next free number."""
    version = int(time.time())
    while (models_dir / str(version)).exists():
        version += 1
    folder = models_dir / str(version)
    with atomic_path(folder) as temporary:
        shutil.copytree(model_dir, temporary)
    return folder


def push_model(
    model_dir: Path,
    models_dir: Path,
    release_dir: Path,
    *,
    judged_against: str,
    copy: Callable[[Path, Path], Path] = copy_version,
) -> Path:
    """Push a model, unless it is the champion already, write champion.json, and return the folder of the pushed model.

    A model that was judged against another champion than the one now in production is refused: its verdict says nothing
    about the present one. One that was pushed before, and replaced since, stays where it is. Where no model is in
    production any more, what beat one that was is pushed.

    Args:
        model_dir: SavedModel of the blessed model.
        models_dir: Folder of the versions.
        release_dir: Its files are put beside the pushed model.
        judged_against: Digest of the champion that the model was judged against; empty = there was none.
        copy: Copies a model into a new version and returns its folder.

    Raises:
        BelkaError: Another model went into production since the model was judged, or the pushed copy is not the model.
    """
    digest, champion = model_digest(model_dir), read_champion(models_dir)
    if champion is not None and champion.digest == digest == model_digest(models_dir / champion.version):
        return models_dir / champion.version
    if champion is not None and champion.digest not in (judged_against, digest):
        for earlier in sorted(path for path in models_dir.iterdir() if path.is_dir()):
            if model_digest(earlier) == digest:
                return earlier
        raise BelkaError(
            "Another model went into production since this one was judged.",
            received=f"{models_dir}: version {champion.version}",
            expected=f"the model it was judged against ({judged_against[:12] or 'none'})",
            action="Judge it again: belka step evaluate_model --no-resume with the same options.",
        )
    folder = copy(model_dir, models_dir)
    if model_digest(folder) != digest:
        raise BelkaError(
            "The pushed copy is not the model.",
            received=f"{folder} holds other files: an earlier or a broken push",
            expected="a new folder",
            action="Run the same command again; the model in production stays as it was.",
        )
    for path in sorted(release_dir.glob("*")):
        shutil.copyfile(path, folder / path.name)
    against = champion.version if champion else "nothing"
    write_champion(models_dir, Champion(folder.name, digest), reason=f"pushed after its evaluation against {against}")
    return folder
