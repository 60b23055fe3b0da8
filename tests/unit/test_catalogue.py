"""docs/errors.md lists the errors that the code raises, with their exit codes."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from tests.unit.conftest import load_program

REPOSITORY: Final = Path(__file__).parents[2]
catalogue = load_program(REPOSITORY / "docs" / "catalogue.py")

PAGE: Final = (REPOSITORY / "docs" / "errors.md").read_text(encoding="utf-8")
RAISES: Final = """
class LateError(InputError):
    pass

TABLE = {1: ("Full.", "room"), 2: ("Shut.", "a key")}

def first(name, action):
    raise LateError(f"No {name}" + (" here." if name else "."), expected=name, action=action)

def second(number):
    problem, expected = TABLE[number]
    action = "Open it."
    raise BelkaError(problem, expected=expected, action=action)

def again(error):
    raise InputError(error.problem)
"""


def test_the_page_is_what_the_code_says() -> None:
    assert catalogue.page() == PAGE, "an error was added or changed: make pages"


def test_words_and_exit_codes_of_errors_are_found() -> None:
    tree = ast.parse(RAISES)
    codes = catalogue.exit_codes([ast.parse((REPOSITORY / "belka" / "errors.py").read_text(encoding="utf-8")), tree])
    rows = {(row.code, row.problem, row.expected, row.action) for row in catalogue.rows_of("a.py", tree, codes)}
    assert rows == {
        (2, "No … here.", "…", "…"),
        (2, "No ….", "…", "…"),
        (1, "Full.", "room or: a key", "Open it."),
        (1, "Shut.", "room or: a key", "Open it."),
    }


@pytest.mark.parametrize("code", [1, 2, 75, 130, 143])
def test_errors_of_every_exit_code_are_listed(code: int) -> None:
    assert re.search(rf"^## Exit code {code}:.*\n\n- \*\*", PAGE, re.MULTILINE)
