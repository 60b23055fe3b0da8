"""A variable that is set for a while."""

import os
from contextlib import nullcontext

import pytest

from belka.environment import environment_variable

NAME = "BELKA_TEST_OF_ENVIRONMENT"


@pytest.mark.parametrize("before", [None, "", "earlier"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_variable_is_as_before_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, before: str | None, fails: bool
) -> None:
    if before is None:
        monkeypatch.delenv(NAME, raising=False)
    else:
        monkeypatch.setenv(NAME, before)
    with (
        pytest.raises(LookupError) if fails else nullcontext(),
        environment_variable(NAME, "within"),
    ):
        assert os.environ[NAME] == "within"
        if fails:
            raise LookupError
    assert os.environ.get(NAME) == before


def test_a_block_that_removes_the_variable_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME, raising=False)
    with environment_variable(NAME, "within"):
        del os.environ[NAME]
    assert NAME not in os.environ
