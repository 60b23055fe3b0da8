"""Which code runs: digests of the sources that something imports, and the versions of the libraries they import.

A node's results are kept as long as the code that it can import stays the same. What it can import is read from the
sources themselves, imports inside functions included, so that no list has to be kept.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Final

from belka.digests import file_digest, files_digest

_PACKAGES: Final = ("belka", "components", "pipeline", "trainer_module")
_ROOT: Final = Path(__file__).parents[1]
_DIGITS: Final = 16
_NAMESPACES: Final = frozenset(["google"])  # a name that dozens of distributions share tells of none
_NO_CODE: Final = ("*.md", "*.pyc", "py.typed", ".*")


def code_version(*modules: str, root: Path = _ROOT) -> str:
    """Name the code of modules and of all that they can import; equal for equal code, anywhere.

    Args:
        modules: Names of modules; none = all sources of the packages, whatever they import, without the libraries.
        root: Folder of the packages.

    Returns:
        Like `0.1.0+sources.1f0c...`, followed by `.libraries.77aa...` for given modules.
    """
    files = imported_files(*modules, root=root) if modules else _all_sources(root)
    sources = files_digest({str(path.relative_to(root)): file_digest(path) for path in files})
    named = f"{version('belka')}+sources.{sources[:_DIGITS]}"
    if not modules:
        return named
    return f"{named}.libraries.{files_digest(library_versions(*modules, root=root))[:_DIGITS]}"


def imported_files(*modules: str, root: Path = _ROOT) -> set[Path]:
    """The files of ours that modules are made of: sources, and what else lies in the folders of those, such as schemas.

    Args:
        modules: Names of modules of our packages.
        root: Folder of the packages.
    """
    sources = {path for path, _ in _reached(modules, root)}
    others = {
        path
        for folder in {source.parent for source in sources}
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".py" and not any(path.match(pattern) for pattern in _NO_CODE)
    }
    return sources | others


def library_versions(*modules: str, root: Path = _ROOT) -> dict[str, str]:
    """Distribution -> version of every library that modules, and what they can import of ours, import by name."""
    names = {name.partition(".")[0] for _, imports in _reached(modules, root) for name in imports}
    wanted = names - set(_PACKAGES) - _NAMESPACES - set(sys.stdlib_module_names)
    return dict(sorted(item for name in wanted for item in _distributions(name).items()))


@cache
def _distributions(name: str) -> dict[str, str]:
    """Name -> version of the distributions that hold a top-level module."""
    return {each: version(each) for each in _all_distributions().get(name, ())}


_all_distributions = cache(packages_distributions)


def _all_sources(root: Path) -> Iterator[Path]:
    return (path for package in _PACKAGES for path in (root / package).rglob("*.py"))


def _reached(modules: tuple[str, ...], root: Path) -> list[tuple[Path, tuple[str, ...]]]:
    """Every source that is loaded with the modules, packages included, and the names that it imports."""
    waiting, names, found = list(modules), set[str](), dict[Path, tuple[str, ...]]()
    while waiting:
        name = waiting.pop()
        if name in names or name.partition(".")[0] not in _PACKAGES:
            continue
        names.add(name)
        waiting.append(name.rpartition(".")[0])  # its package is loaded first
        path = _source(root.joinpath(*name.split(".")))
        if path is not None and path not in found:
            found[path] = _imports(path, path.read_bytes())
            waiting += found[path]
    return list(found.items())


@cache
def _source(name: Path) -> Path | None:
    candidates = (name / "__init__.py", name.with_name(f"{name.name}.py"))
    return next((path for path in candidates if path.is_file()), None)


@cache
def _imports(path: Path, content: bytes) -> tuple[str, ...]:
    names: list[str] = []
    waiting: list[ast.AST] = [ast.parse(content)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif not (isinstance(node, ast.FunctionDef) and path.name == "__init__.py"):
            # What a package loads on first use of its names (PEP 562) belongs to those who use them: none of ours does.
            waiting += ast.iter_child_nodes(node)
    return tuple(names)
