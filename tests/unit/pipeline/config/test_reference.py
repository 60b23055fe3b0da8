"""docs/configuration.md is what the code says, and what it says of values is what the configuration does."""

import re
from pathlib import Path
from typing import Any, Final

import pytest

from belka.errors import InputError
from pipeline.config.files import load_config
from pipeline.config.keys import steps_of_keys
from pipeline.config.reference import reference_page, values_of

PAGE: Final = Path(__file__).parents[4] / "docs" / "configuration.md"
ROWS: Final = re.findall(r"^\| `(\S+)` \| (.+?) \| `(.*?)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_page_is_what_the_command_prints() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), "belka config reference > docs/configuration.md"


def test_every_key_has_a_row_with_a_meaning() -> None:
    assert sorted(key for key, *_ in ROWS) == sorted(key for key, _ in steps_of_keys())
    assert all(meaning.strip() for *_, meaning in ROWS)


@pytest.mark.parametrize(("key", "default"), [(key, default) for key, _, default, _ in ROWS])
def test_the_default_may_be_set_and_changes_nothing(key: str, default: str) -> None:
    assert load_config(None, [f"{key}={default}"]) == load_config()


@pytest.mark.parametrize(
    ("key", "least"),
    [(key, found[1]) for key, values, *_ in ROWS if (found := re.match(r"(?:whole )?number from (\S+)", values))],
)
def test_less_than_the_least_value_is_refused(key: str, least: str) -> None:
    number = float(least.rstrip(",")) - 1
    with pytest.raises(InputError, match=re.escape(key)):
        load_config(None, [f"{key}={int(number) if '.' not in least else number}"])


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 2, "multipleOf": 2}, "whole number from 2, a multiple of 2"),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "number above 0 below 1"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or null"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "list: a, b"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "name: true, false"),
        ({"$ref": "#/$defs/Place"}, "{claim, path}"),
    ],
)
def test_values_in_words(schema: dict[str, Any], words: str) -> None:
    assert values_of(schema, {"Place": {"properties": {"claim": {}, "path": {}}}}) == words
