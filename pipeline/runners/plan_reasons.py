"""Why a node does not come from the cache: what differs from what its last output says of how it was made."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from belka.digests import digests_by_name
from belka.provenance import Record

_SHOWN: Final = 60  # characters of a value
_RAW: Final = "raw_digest"
_ABSENT: Final = "none"


def changes(known: Record, settings: Mapping[str, Any], code_version: str) -> Iterator[str]:
    """Say what differs.

    Args:
        known: How the last output was made.
        settings: What decides the result now, as `components.recording.plain_settings` gives it.
        code_version: Of the code that would run.

    Yields:
        A reason each.
    """
    if known.code_version != code_version:
        yield "the code that it runs has changed"
    before, now = _flat(known.settings), _flat(settings)
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key, _ABSENT), now.get(key, _ABSENT)
        if old == new:
            continue
        if key == _RAW:
            yield from _files(str(old), str(new))
        else:
            yield f"{key.removeprefix('settings.').removeprefix('custom_config.')}: {_short(old)} -> {_short(new)}"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _files(before: str, now: str) -> Iterator[str]:
    """Which raw files are others."""
    old, new = digests_by_name(before), digests_by_name(now)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    yield f"raw files have changed: {', '.join(names) or 'their names'}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
