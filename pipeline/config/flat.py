"""The configuration as a table: a row a setting."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from pipeline.config.files import dump_config
from pipeline.config.settings import Config


def flat_settings(config: Config) -> dict[str, str]:
    """Name of each setting that has a value, as `--set` takes it -> the value as text."""
    return dict(flat(yaml.safe_load(dump_config(config))))


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The values of nested mappings, without those that are None: dotted names, and values as text."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
