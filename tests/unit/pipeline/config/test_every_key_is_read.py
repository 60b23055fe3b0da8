"""No key of the configuration may be decoration: each is read by some code outside its definition."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline.config.settings import Config

REPOSITORY = Path(__file__).parents[4]
DEFINITIONS = {"pipeline/config/settings.py", "trainer_module/settings.py"}


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", name


def _attributes_read() -> set[str]:
    names: set[str] = set()
    for package in ("belka", "components", "trainer_module", "pipeline"):
        for path in (REPOSITORY / package).rglob("*.py"):
            if str(path.relative_to(REPOSITORY)) in DEFINITIONS:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}
    return names


READ = _attributes_read()


@pytest.mark.parametrize(("key", "name"), list(_fields(Config)))
def test_key_is_read(key: str, name: str) -> None:
    assert name in READ, f"no code reads the configuration key {key}"
