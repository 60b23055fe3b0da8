"""The style of every page: a light one and a dark one, as the reader's system has it."""

from pathlib import Path
from typing import Final

from markupsafe import Markup

_FILE: Final = Path(__file__).with_name("style.css")


def page_style() -> Markup:
    """The text of a page's element `<style>`, as a template takes it."""
    return Markup(_FILE.read_text(encoding="utf-8"))  # noqa: S704 - a file of ours
