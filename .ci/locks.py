"""Which declared bounds a lock breaks, and whether it still fits pyproject.toml.

An override of uv erases what every package declares about that name. This prints each declaration that the lock breaks,
so that whoever
moves a version sees against whose word it was moved. The declarations are those of the installed distributions: run it
in the environment that the lock made.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def read_lock(path: Path) -> dict[str, str]:
    """Pinned version by canonical name, of a requirements file."""
    return {canonicalize_name(name): version for name, version in _PIN.findall(path.read_text(encoding="utf-8"))}


def broken_bounds(lock: Mapping[str, str], installed: Iterable[Distribution]) -> Iterator[str]:
    """Declared requirements of locked distributions that the lock breaks.

    Args:
        lock: Pinned version by canonical name.
        installed: Distributions; those that the lock does not name are passed over.

    Yields:
        One line per broken requirement, in the order of the names.
    """
    for distribution in sorted(installed, key=lambda item: canonicalize_name(item.name)):
        if canonicalize_name(distribution.name) not in lock:
            continue
        for text in distribution.requires or ():
            requirement = Requirement(text)
            pinned = lock.get(canonicalize_name(requirement.name))
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if applies and pinned and not requirement.specifier.contains(Version(pinned), prereleases=True):
                yield (
                    f"{distribution.name} {distribution.version} wants {requirement.name}{requirement.specifier}, "
                    f"the lock has {pinned}"
                )


def disagreements(project: Mapping[str, object], lock: Mapping[str, str], extras: Iterable[str]) -> Iterator[str]:
    """Requirements and overrides of pyproject.toml that a lock does not meet.

    Args:
        project: The content of pyproject.toml.
        lock: Pinned version by canonical name.
        extras: Optional dependencies that the lock holds beside the others.

    Yields:
        One line per requirement.
    """
    table = project["project"]
    assert isinstance(table, dict)
    optional = table.get("optional-dependencies", {})
    overrides = project.get("tool", {}).get("uv", {}).get("override-dependencies", [])  # type: ignore[attr-defined]
    overridden = {canonicalize_name(Requirement(text).name) for text in overrides}
    wanted = [*table["dependencies"], *(text for extra in extras for text in optional[extra])]
    own = canonicalize_name(table["name"])
    for text in [*wanted, *overrides]:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name == own or (name in overridden and text not in overrides):
            continue
        pinned = lock.get(name)
        # An override may name a package that only another lock holds.
        if pinned is None and text in overrides:
            continue
        if pinned is None or not requirement.specifier.contains(Version(pinned), prereleases=True):
            yield f"pyproject.toml wants {text}, the lock has {pinned or 'none'}"


def main() -> int:
    """Print what was asked for; 1 where a lock does not fit pyproject.toml."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--check", action="store_true", help="compare with pyproject.toml instead")
    parser.add_argument("--extra", action="append", default=[], help="extra that the lock holds (with --check)")
    arguments = parser.parse_args()
    lock = read_lock(arguments.lock)
    if not arguments.check:
        for line in broken_bounds(lock, distributions()):
            sys.stdout.write(f"{line}\n")
        return 0
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    problems = [f"{arguments.lock}: {line}" for line in disagreements(project, lock, arguments.extra)]
    sys.stdout.write("".join(f"{line}\n" for line in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
