"""Sections of settings: their borders, and what is said of a value that is none."""

from typing import Any

import pytest

from belka.errors import InputError
from belka.settings import ColumnSettings, DataSettings, LabelSettings, SystemSettings

COLUMNS = tuple(ColumnSettings.model_fields)
TEXTS = ("raw_dir", "train_file", "test_file", "output_dir", *(f"columns.{name}" for name in COLUMNS))


def parse(values: dict[str, Any]) -> DataSettings:
    return DataSettings.parse(values, source="the section data", action="Correct it.")


def values_of(key: str, value: str) -> dict[str, Any]:
    """One key of the section, or of the section in it."""
    section, _, name = key.rpartition(".")
    return {section: {name: value}} if section else {name: value}


@pytest.mark.parametrize("key", TEXTS)
def test_a_name_has_a_letter_at_least(key: str) -> None:
    found: Any = parse(values_of(key, "x"))
    for name in key.split("."):
        found = getattr(found, name)
    assert found == "x"
    with pytest.raises(InputError, match=rf"{key}: .*at least 1 character"):
        parse(values_of(key, ""))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"targts": ["HSA"]}, "targts: unknown key. Did you mean targets?"),
        ({"columns": {"smile": "x"}}, "columns.smile: unknown key. Did you mean columns.smiles or columns.id?"),
        ({"qqqqqq": 1}, "qqqqqq: unknown key"),
    ],
)
def test_an_unknown_key_is_told_with_the_one_like_it(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(values)
    assert (caught.value.problem, caught.value.received) == ("The section data is not valid.", said)


def test_a_positive_label_begins_at_the_threshold_or_at_one() -> None:
    assert DataSettings().positive_from == 1
    assert DataSettings(binds=LabelSettings(threshold=5)).positive_from == 5


def test_a_seed_is_a_number_of_31_bits() -> None:
    assert SystemSettings(seed=2**31 - 1).seed == 2**31 - 1
    for seed in (-1, 2**31):
        with pytest.raises(InputError, match="seed"):
            SystemSettings.parse({"seed": seed}, source="the section system", action="Correct it.")
