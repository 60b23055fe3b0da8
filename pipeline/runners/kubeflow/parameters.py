"""Values that a run gives to the parameters of its pipeline: checked, and of the type that the pipeline declares."""

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from belka.errors import InputError
from pipeline.runners.kubeflow.simulator.pipeline_file import PipelineFile

STRING: Final = "STRING"
BOOLEAN: Final = "BOOLEAN"
# ParameterType of pipeline_spec.proto -> what a value of it is, and how it is written.
JSON_TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    BOOLEAN: ((bool,), "true or false"),
    "NUMBER_INTEGER": ((int,), "a whole number"),
    "NUMBER_DOUBLE": ((int, float), "a number"),
    "LIST": ((list,), "a JSON list"),
    "STRUCT": ((dict,), "a JSON object"),
}


def run_parameters(pipeline: PipelineFile, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the values that a run gives, and give each the type of its parameter.

    Args:
        pipeline: The compiled pipeline.
        given: Parameter -> value, or the value as a text. The text of a STRING stays as it is, whatever it looks like (2026-01-15 is no
            date, 007 no number); other types are read as JSON.

    Returns:
        Parameter -> value, of the given parameters only.

    Raises:
        InputError: The pipeline has no such parameter, or the value is not of its type.
    """
    unknown = sorted(given.keys() - pipeline.parameters.keys())
    if unknown:
        raise InputError(
            "the pipeline has no such parameter",
            received=", ".join(unknown),
            expected=", ".join(sorted(pipeline.parameters)) or "no parameters at all",
            action="correct --parameter",
        )
    return {name: _typed(name, pipeline.parameter_types[name], value) for name, value in given.items()}


def _typed(name: str, kind: str, value: Any) -> Any:
    types, form = JSON_TYPES.get(kind, ((str,), "a text"))
    read = value
    if isinstance(value, str) and kind in JSON_TYPES:
        try:
            read = json.loads(value, parse_constant=_refuse)
        except ValueError:
            read = None
    # Python takes a boolean for an integer; the backend does not.
    if not isinstance(read, types) or isinstance(read, bool) != (kind == BOOLEAN):
        raise InputError(
            f"the parameter {name} has a value of another type",
            received=f"{value!r}",
            expected=f"{form} ({kind})",
            action=f"correct --parameter {name}=...",
        )
    return read


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is no number that JSON has"
    raise ValueError(msg)
