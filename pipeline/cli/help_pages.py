"""What `--help` shows, made to be read at 80 columns."""

from typing import Any

from typer.core import TyperOption


def make_readable(command: Any, context: Any) -> None:
    """Have the help of a command and of those below it fold each paragraph once, and show no type for flags.

    Typer keeps the line breaks of a docstring's later paragraphs, and shows `<bool>` behind a flag, which takes no
    value.

    Args:
        command: A command or group of commands, of classes that typer does not export; it is changed.
        context: In which it is called; names the options that print help.
    """
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for option in command.get_params(context):
        if isinstance(option, TyperOption) and option.is_flag:
            option.metavar = ""
    for below in getattr(command, "commands", {}).values():
        make_readable(below, context)
