"""Atomic writes: a file or folder appears under its name whole, or not at all; and paths as patterns."""

import glob
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target` and rename it to `target` when the block ends without an error.

    The temporary name starts with a dot, so that no reader takes a half-written file for a whole one, and ends as the
    target's does, for writers that choose their format by it.

    Args:
        target: File or folder to be written; its parent is made if needed. An existing one is replaced.

    Yields:
        The temporary path. The block creates a file or a folder there.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".tmp-{uuid.uuid4().hex}-{target.name}"
    try:
        yield temporary
        if target.is_dir():
            shutil.rmtree(target)
        temporary.replace(target)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def literal_pattern(path: Path) -> str:
    """The pattern that matches this path alone, for readers that take patterns, as all of DuckDB's do.

    A folder named `[ab]*` is a folder, never the folders whose names begin with a or b.
    """
    return glob.escape(str(path))


def is_pattern(path: Path) -> bool:
    """Whether a path holds `[`, `*` or `?`: TensorFlow and Beam take it for a pattern, and cannot be told otherwise."""
    return glob.has_magic(str(path))


def is_name(text: str) -> bool:
    """Whether a text that was read from a file is the name of a thing in one folder, and no way out of that folder."""
    return text not in ("", ".", "..") and not set(text) & {"/", "\\", "\0"}
