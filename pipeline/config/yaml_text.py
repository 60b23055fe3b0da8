"""Parse YAML of unknown origin: YAML 1.2's numbers and booleans, and limits on what a text can make of itself."""

import re
from collections.abc import Hashable
from typing import Any, Final

import yaml

# Each far above what any configuration has.
LONGEST_TEXT: Final = 1 << 20  # characters
MOST_ALIASES: Final = 20  # each may stand for all before it
DEEPEST: Final = 32
LONGEST_NUMBER: Final = 100  # characters

_NUMBER: Final = re.compile(r"[-+]?[0-9_.:eExXa-fA-F]+")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads `1e-3` as text and `off` as false; this reads them as YAML 1.2 and everybody else does."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the class attribute PyYAML reads
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands twice: PyYAML takes the last."""
        seen = set[str]()
        for child, _ in node.value:
            if isinstance(child, yaml.ScalarNode):
                if child.value in seen:
                    raise yaml.YAMLError(f"the key {child.value!r} stands twice{_place(child.start_mark)}")
                seen.add(child.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str) -> Any:
    """Parse one document.

    Raises:
        yaml.YAMLError: It is no YAML, or goes beyond the limits above, has a key twice or a NUL in a text.
    """
    if len(text) > LONGEST_TEXT:
        raise yaml.YAMLError(f"{len(text):,} characters, more than {LONGEST_TEXT:,}")
    _check(text)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except (ValueError, OverflowError) as error:  # a date or a number that does not exist
        raise yaml.YAMLError(str(error)) from error


def _check(text: str) -> None:
    depth = aliases = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        problem = ""
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            problem = f"nested more than {DEEPEST} deep" if depth > DEEPEST else ""
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            problem = f"more than {MOST_ALIASES} aliases" if aliases > MOST_ALIASES else ""
        elif isinstance(event, yaml.ScalarEvent):
            problem = _scalar_problem(event)
        if problem:
            raise yaml.YAMLError(f"{problem}{_place(event.start_mark)}")


def _scalar_problem(event: yaml.ScalarEvent) -> str:
    if "\0" in event.value:
        return "a text holds the character NUL"
    if event.style is None and len(event.value) > LONGEST_NUMBER and _NUMBER.fullmatch(event.value):
        return f"a number of {len(event.value):,} characters, more than {LONGEST_NUMBER}"
    return ""


def _place(mark: Any) -> str:
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
