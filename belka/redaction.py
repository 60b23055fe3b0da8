"""What looks like a secret, and text without it: for logs, events and whatever else others read."""

import re
from typing import Final

# A name with one of these words in it names a secret, unless its last word says that it is only where one lies.
_NAME: Final = re.compile(
    r"(?i)(?:^|_)(?:password|passwd|passphrase|secret|token|credentials?|(?:api|access|private|secret)_?key)(?:_|$)"
)
_PLACE: Final = re.compile(r"(?i)_(?:file|path|dir|name|url)$")
# Keys and tokens of AWS, GitHub, GitLab, Slack, Hugging Face and Google, JSON web tokens, private keys, logins in URLs,
# also where a path has made one slash of two.
_VALUE: Final = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[oprsu]_[A-Za-z0-9]{36}|\bgithub_pat_|\bglpat-|\bxox[abpr]-|\bhf_[A-Za-z0-9]{20}|"
    r"\bAIza[\w-]{35}|\beyJ[\w-]+\.eyJ[\w-]+\.|-----BEGIN [A-Z ]*PRIVATE KEY|:/{1,2}[^/\s:@]+:[^/\s@]+@"
)
_IN_TEXT: Final = re.compile(rf"(?:{_VALUE.pattern})[^\s\"',;]*")
# name=value, --name value, "name": "value"; a colon in prose says nothing, since molecules consist of tokens.
_ASSIGNED: Final = re.compile(
    r"(?P<before>(?P<name>[A-Za-z][\w.-]*)(?:=|[\"']\s*:\s*)[\"']?|--(?P<option>[\w-]+)[ =])(?P<value>[^\s\"',;}]+)"
)
HIDDEN: Final = "[hidden]"


def is_secret(name: str, value: str) -> bool:
    """Whether a variable looks like one that holds a secret, by its name or its value."""
    return bool(value) and (_names_secret(name) or bool(_VALUE.search(value)))


def without_secrets(text: str) -> str:
    """Put `[hidden]` in the place of what looks like a secret."""
    return _ASSIGNED.sub(_hidden, _IN_TEXT.sub(HIDDEN, text))


def _hidden(found: re.Match[str]) -> str:
    name = found["name"] or found["option"]
    return found["before"] + HIDDEN if _names_secret(name.rpartition(".")[2].replace("-", "_")) else found[0]


def _names_secret(name: str) -> bool:
    return bool(_NAME.search(name)) and not _PLACE.search(name)
