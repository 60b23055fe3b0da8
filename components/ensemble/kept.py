"""What a training keeps on disk while it runs: each finished part as a file, so that a killed step goes on."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from belka.files import atomic_path

Arrays = dict[str, NDArray[Any]]
KEPT_FOLDER: Final = "ensemble"

logger = logging.getLogger(__name__)


def kept(folder: Path, name: str, make: Callable[[], Arrays]) -> Arrays:
    """Compute some arrays, or read them where an earlier attempt finished them.

    Args:
        folder: Of the attempts with the same settings and data.
        name: Of the part.
        make: Computes it.
    """
    path = folder / f"{name}.npz"
    if path.is_file():
        try:
            with np.load(path) as file:
                found = {key: file[key] for key in file.files}
        except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
            logger.warning("%s cannot be read (%s) and is computed again.", path, error)
        else:
            logger.info("Member %s: an earlier attempt finished it.", name)
            return found
    found = make()
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **found)  # type: ignore[arg-type]  # the stubs take every name for its own option
    return found
