"""Text of unknown origin in a table of the console."""

from rich.markup import escape

from belka.texts import for_terminal


def cell(text: str) -> str:
    """The text as it is: neither rich's markup nor control characters do anything."""
    return escape(for_terminal(text))
