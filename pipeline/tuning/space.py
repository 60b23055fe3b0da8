"""The space that is searched: keys of the configuration with a range or with choices."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, get_args

import yaml
from pydantic import BaseModel, Field, model_validator

from belka.errors import InputError
from belka.settings import StrictSection
from pipeline.config.settings import Config
from pipeline.config.yaml_text import parse_yaml

_EXAMPLE: Final = "ensemble.trees: {low: 50, high: 400}"
_FEWEST: Final = 2
_MOST_STEPS: Final = 10**9  # of a range; beyond about 10^28 Optuna's decimals end
# Makes the configuration with further `section.key=value` texts.
Configure = Callable[[Sequence[str]], Config]


class Dimension(StrictSection):
    """What one key may be: a range or a list of choices."""

    low: int | float | None = Field(default=None, description="Least value of a range.")
    high: int | float | None = Field(default=None, description="Greatest value of a range.")
    step: int | float | None = Field(default=None, gt=0, description="Distance between the values of a range.")
    log: bool = Field(default=False, description="Whether a range is searched by orders of magnitude.")
    choices: tuple[Any, ...] | None = Field(default=None, strict=False, description="The values, of any kind.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.choices is not None:
            if (self.low, self.high, self.step, self.log) != (None, None, None, False):
                raise ValueError("choices stand alone: low, high, step and log belong to a range")
            if len(set(map(_as_json, self.choices))) < max(_FEWEST, len(self.choices)):
                raise ValueError("choices must be two or more values, each once")
        elif self.low is None or self.high is None:
            raise ValueError("either low and high, or choices, must be given")
        elif self.low >= self.high:
            raise ValueError("low must be below high")
        elif math.isinf(float(self.high) - float(self.low)):
            raise ValueError("the distance from low to high is more than a number can be")
        elif self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0, and no step")
        elif self.step is not None and not self.step <= self.high - self.low <= self.step * _MOST_STEPS:
            raise ValueError(f"step must be at most high - low, which must be at most {_MOST_STEPS:,} steps")
        return self

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values whose fitting the configuration says that all between them fit."""
        return (self.low, self.high) if self.choices is None else self.choices

    def holds(self, value: Any) -> bool:
        """Whether a value, as JSON holds it, can be tried."""
        if self.choices is not None:
            return json.dumps(value) in map(json.dumps, self.choices)
        if self.low is None or self.high is None or isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and (self.step is None or not (value - self.low) % self.step)


def read_space(file: Path, configure: Configure) -> dict[str, Dimension]:
    """Read a space, and check each of its keys and values as the configuration does.

    Args:
        file: YAML: dotted key -> `low`, `high`, `step`, `log`, or `choices`.
        configure: Makes the configuration with further values.

    Returns:
        Key -> what it may be, sorted by key.

    Raises:
        InputError: The file is missing or no such YAML, a key is unknown, a value does not fit.
    """
    space = {key: _dimension(key, values, file) for key, values in sorted(_read(file).items())}
    for key, dimension in space.items():
        for value in dimension.ends:
            _refuse_unfit(key, value, file, configure)
        if dimension.step is not None and is_whole(key) and dimension.step != int(dimension.step):
            raise InputError(
                "A step of the space is no whole number, and its key takes no other.",
                received=f"{file}, {key}: step {dimension.step}",
                expected="a whole number",
                action="Correct the step.",
            )
        kind = kind_of(key)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            raise InputError(
                "A key of the space is a section.",
                received=f"{key}, in {file}",
                expected=f"a single key with its values, such as {_EXAMPLE}",
                action="Name the keys of the section that are to be tuned.",
            )
    return space


def override_of(key: str, value: Any) -> str:
    """A value of a key as `--set` takes it."""
    return f"{key}={json.dumps(value)}"


def is_whole(key: str) -> bool:
    """Whether a key of the configuration takes whole numbers alone."""
    kind = kind_of(key)
    kinds = {kind, *get_args(kind)}
    return int in kinds and float not in kinds


def kind_of(key: str) -> Any:
    """The type of a key of the configuration that exists."""
    section: Any = Config
    for name in key.split("."):
        section = section.model_fields[name].annotation
    return section


def value_of(config: Config, key: str) -> Any:
    """The value of a key, as JSON holds it."""
    found: Any = json.loads(config.model_dump_json())
    for name in key.split("."):
        found = found[name]
    return found


def _as_json(value: Any) -> str:
    """A choice as the study keeps it; YAML has values that JSON has not, such as dates."""
    try:
        return json.dumps(value)
    except TypeError as error:
        raise ValueError("choices must be numbers, texts, true, false, null, or lists and mappings of these") from error


def _read(file: Path) -> Mapping[str, Any]:
    if not file.is_file():  # a device has no end, and a pipe nothing to read
        raise _unreadable(file, "no file")
    try:
        values = parse_yaml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _unreadable(file, str(error)) from error
    if not isinstance(values, dict) or not values or not all(isinstance(key, str) for key in values):
        raise _unreadable(file, f"{type(values).__name__} without keys")
    return values


def _unreadable(file: Path, received: str) -> InputError:
    return InputError(
        "The space of the tuning cannot be read.",
        received=f"{file}: {received}",
        expected=f"a YAML file with lines such as {_EXAMPLE}",
        action="Correct --space; docs/tuning.md has an example.",
    )


def _dimension(key: str, values: Any, file: Path) -> Dimension:
    if not isinstance(values, Mapping):
        raise _unreadable(file, f"{key}: {values!r}")
    return Dimension.parse(
        values, source=f"what {file} says of {key}", action="Give low and high (step, log), or choices."
    )


def _refuse_unfit(key: str, value: Any, file: Path, configure: Configure) -> None:
    try:
        configure([override_of(key, value)])
    except InputError as error:
        raise InputError(
            "A key or a value of the space does not fit the configuration.",
            received=f"{file}, {key} = {json.dumps(value)}: {error.received}",
            expected=error.expected,
            action="Correct the space; docs/configuration.md has each key with its values.",
        ) from error
