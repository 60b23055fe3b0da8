"""Read, override and write the configuration."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from belka.errors import InputError
from belka.files import atomic_path
from pipeline.config.settings import Config

CONFIG_VARIABLE = "BELKA_CONFIG"


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads `1e-3` as text and `off` as false; this reads them as YAML 1.2 and everybody else does."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the class attribute PyYAML reads
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def load_config(path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Build the configuration from the defaults, a YAML file and single overrides, in this order.

    Args:
        path: YAML file with any of the sections; None = the defaults alone.
        overrides: `section.key=value` texts; a value is read as YAML, so `true`, `0.1`, `[a, b]` and `null` work.

    Raises:
        InputError: The file is missing or not YAML, an override is malformed, a key is unknown, a value has the wrong type or range.
    """
    values = _read_yaml(path) if path else {}
    for override in overrides:
        _apply_override(values, override)
    return validate_config(values, source=str(path) if path else "the defaults")


def load_config_from_environment(environment: Mapping[str, str] = os.environ) -> Config:
    """Build the configuration from the file that BELKA_CONFIG names, for tools that take no arguments of ours (the `tfx` command)."""
    path = environment.get(CONFIG_VARIABLE)
    return load_config(Path(path) if path else None)


def validate_config(values: Mapping[str, Any], source: str) -> Config:
    """Turn plain values into the strict model; `source` names their origin in the error."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise InputError(
            f"the configuration from {source} is not valid",
            received="; ".join(_describe(item) for item in error.errors()),
            expected="the sections and keys that `belka config show` prints",
            action="correct or remove the keys named above",
        ) from error


def dump_config(config: Config) -> str:
    """Render the whole configuration as YAML, every key included."""
    # JSON first: YAML has no tuples.
    return yaml.safe_dump(json.loads(config.model_dump_json()), sort_keys=False)


def write_resolved(config: Config, target: Path) -> None:
    """Write the resolved configuration beside the results."""
    with atomic_path(target) as temporary:
        temporary.write_text(dump_config(config), encoding="utf-8")


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            "the configuration file does not exist",
            received=str(path.absolute()),
            expected="a YAML file such as configs/default.yaml",
            action="check the path given with --config",
        )
    try:
        values = _parse(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            "the configuration file is not valid YAML",
            received=f"{path}: {error}",
            expected="sections with `key: value` lines",
            action="compare it with configs/default.yaml",
        ) from error
    if not isinstance(values, dict):
        raise InputError(
            "the configuration file holds no sections",
            received=f"{path}: {type(values).__name__}",
            expected="a mapping such as `data: {raw_dir: ...}`",
            action="compare it with configs/default.yaml",
        )
    return values


def _parse(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    path = key.strip().split(".")
    if not separator or not all(path):
        raise InputError(
            "a --set value is malformed",
            received=override,
            expected="section.key=value, for instance --set training.epochs=3",
            action="correct the --set option",
        )
    try:
        value = _parse(text)
    except yaml.YAMLError as error:
        raise InputError(
            "a --set value is not valid YAML",
            received=override,
            expected="a number, text, true, false, null or [a, b]",
            action="quote the value",
        ) from error
    section = values
    for name in path[:-1]:
        nested = section.setdefault(name, {})
        if not isinstance(nested, dict):
            raise InputError(
                "a --set key goes below a plain value",
                received=override,
                expected="section.key=value",
                action="see `belka config show` for the keys",
            )
        section = nested
    section[path[-1]] = value


def _describe(item: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in item["loc"]) or "(top level)"
    if item["type"] == "extra_forbidden":
        return f"{place}: unknown key"
    return f"{place}: {item['msg']} (received {item['input']!r})"
