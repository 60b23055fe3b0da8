"""Which code runs: the version, and a digest of the sources that tells two states of one version apart."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("belka", "components", "pipeline", "trainer_module")
_DIGITS: Final = 16


@cache
def code_version() -> str:
    """The version and the sources' digest, like `0.1.0+sources.1f0c...`; equal for equal sources, anywhere."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(path for package in _PACKAGES for path in (root / package).rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{version('belka')}+sources.{digest.hexdigest()[:_DIGITS]}"
