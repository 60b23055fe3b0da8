"""Write the page docs/modules.md: every file of the packages with the line it says of itself. `make pages` runs it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
# From the ground floor upwards.
PACKAGES: Final = ("belka", "trainer_module", "components", "pipeline", "benchmarks")
HEADER: Final = """# Each file

Written by `make pages` from the first line of each file; a test keeps it so. [architecture.md](architecture.md) says
how the packages depend on each other: each imports from those above it on this page and from itself.
"""


def page(root: Path = REPOSITORY) -> str:
    """The text of docs/modules.md."""
    return "".join([HEADER, *(part for package in PACKAGES for part in _package(root, package))])


def _package(root: Path, package: str) -> Iterator[str]:
    yield f"\n## {package}\n"
    folders = sorted({path.parent for path in (root / package).rglob("*.py")})
    for folder in folders:
        name = folder.relative_to(root)
        own = folder / "__init__.py"
        if folder.name != package:
            yield f"\n### {name}\n"
        if own.is_file():
            yield f"\n{_said(own)}\n"
        files = [path for path in sorted(folder.glob("*.py")) if path != own]
        if files:
            yield "\n| file | is |\n|---|---|\n"
        for path in files:
            yield f"| [{path.name}](../{path.relative_to(root)}) | {_said(path)} |\n"


def _said(path: Path) -> str:
    """The first line of a file's docstring, as Markdown shows it."""
    text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    parts = text.split("`")
    for i in range(0, len(parts), 2):  # what is between backticks is code, which stands as it is
        for special in "<*_[|":
            parts[i] = parts[i].replace(special, f"\\{special}")
    return "`".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
