"""Wrong use of the command line, told as every other error: what was received, what is expected, what to do."""

import re
from typing import Final

from typer.exceptions import TyperException

from belka.errors import InputError
from belka.texts import did_you_mean

_CHOICE: Final = re.compile(
    r"(?P<start>.*?)(?:Value error, )?'(?P<given>[^']*)' is not one of (?P<choices>'.*')\.?", re.DOTALL
)
_UNKNOWN: Final = re.compile(
    r"(?P<problem>No such (?:option: |command ')(?P<given>[^'\s]*)'?)"
    r"\.?(?: \(Possible options: | ?Did you mean )?(?P<like>.*)",
    re.DOTALL,
)


def explained_use(error: TyperException) -> InputError:
    """The error of a command that was typed wrongly.

    Args:
        error: What typer says of it.
    """
    message = error.format_message().strip()
    context = getattr(error, "ctx", None)  # of errors of use, whose class typer does not export
    help_ = f"See `{context.command_path if context else 'belka'} --help`."
    if found := _CHOICE.fullmatch(message):
        choices = re.findall(r"'([^']*)'", found["choices"])
        problem = found["start"].strip().rstrip(":") or "Invalid value"
        return InputError(
            f"{problem}.",
            received=found["given"],
            expected=f"one of {', '.join(choices)}",
            action=f"{did_you_mean(found['given'], choices)}{help_}",
        )
    if found := _UNKNOWN.fullmatch(message):
        like = re.findall(r"[\w-]+", found["like"])
        meant = f"Did you mean {' or '.join(like)}? " if like else ""
        return InputError(f"{found['problem']}.", received=found["given"], action=f"{meant}{help_}")
    message = " ".join(message.split())
    return InputError(message if message.endswith(".") else f"{message}.", action=help_)
