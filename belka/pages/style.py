"""What all pages share: a style, light or dark as the reader's system has it, and the rules of their templates."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_FILE: Final = Path(__file__).with_name("style.css")


def page_style() -> Markup:
    """The text of a page's element `<style>`, as a template takes it."""
    return Markup(_FILE.read_text(encoding="utf-8"))  # noqa: S704 - a file of ours


def page_environment(folder: Path, filters: dict[str, Callable[..., Any]]) -> Environment:
    """Templates of pages: text is escaped, and a name without a value is an error.

    Args:
        folder: Where the templates lie.
        filters: Name -> filter of the templates, beside `svg`, which takes a drawing of ours as it is.
    """
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters, svg=Markup)
    return environment
