"""An error prints what is wrong, what came, what was expected and what to do; empty parts are left out."""

from belka.errors import BelkaError, InputError, explained


def test_all_parts_in_order() -> None:
    error = InputError("bad label", received="3", expected="0 or 1", action="mend the row")
    assert str(error) == "bad label\n  received: 3\n  expected: 0 or 1\n  to do: mend the row"


def test_empty_parts_are_left_out() -> None:
    assert str(BelkaError("failed", action="try again")) == "failed\n  to do: try again"


def test_exit_codes() -> None:
    assert (BelkaError("x").exit_code, InputError("x").exit_code) == (1, 2)


def test_the_reason_is_found_behind_the_errors_of_beam_and_tfx() -> None:
    reason, wrapped = InputError("no file", received="train.parquet"), RuntimeError("while running a step")
    wrapped.__cause__ = reason
    assert explained(wrapped) is reason
    assert explained(ValueError("unknown")) is None
