from typing import Any

import pytest

from belka.errors import InputError
from pipeline.runners.kubeflow.pipeline_file import PipelineFile, run_parameters

TYPES = {
    "name": "STRING",
    "flag": "BOOLEAN",
    "count": "NUMBER_INTEGER",
    "rate": "NUMBER_DOUBLE",
    "list": "LIST",
    "map": "STRUCT",
}
PIPELINE = PipelineFile("belka", dict.fromkeys(TYPES), TYPES, ())


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("name", "2026-01-15", "2026-01-15"),
        ("name", "007", "007"),
        ("name", "null", "null"),
        ("flag", "true", True),
        ("count", "12", 12),
        ("rate", "1e-3", 0.001),
        ("rate", "2", 2),
        ("list", "[1, 2]", [1, 2]),
        ("map", '{"a": 1}', {"a": 1}),
        ("flag", False, False),
    ],
)
def test_a_value_has_the_type_of_its_parameter(name: str, text: Any, value: Any) -> None:
    read = run_parameters(PIPELINE, {name: text})
    assert read == {name: value}
    assert type(read[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("name", 5, "a text"),
        ("flag", "1", "true or false"),
        ("flag", "yes", "true or false"),
        ("count", "true", "a whole number"),
        ("count", "1.5", "a whole number"),
        ("rate", "NaN", "a number"),
        ("list", "{}", "a JSON list"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, text: Any, form: str) -> None:
    with pytest.raises(InputError, match=f"The parameter {name} has a value of another type[\\s\\S]*expected: {form}"):
        run_parameters(PIPELINE, {name: text})
