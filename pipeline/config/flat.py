"""The configuration as a table: a row a setting."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from belka.redaction import HIDDEN, is_secret, without_secrets
from pipeline.config.files import dump_config
from pipeline.config.settings import Config


def flat_settings(config: Config) -> dict[str, str]:
    """Name of each setting that has a value, as `--set` takes it -> its text, without what looks like a secret.

    Pages and other tools show them.
    """
    return dict(flat(yaml.safe_load(dump_config(config))))


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The values of nested mappings, without those that are None: dotted names, and values as text."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            cleaned = without_secrets(text)
            yield f"{prefix}{name}", HIDDEN if cleaned == text and is_secret(name, text) else cleaned
