"""The configuration with every key explained: what configs/default.yaml holds."""

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import Final

import yaml
from pydantic import BaseModel

from pipeline.config.settings import Config

WIDTH: Final = 118
HEADER: Final = "# Every key with its default. Written by `belka config show --explain`; a test keeps it so.\n"


def explain_config(config: Config) -> str:
    """Render the configuration as YAML with each key's meaning, unit and range above it."""
    return HEADER + "".join(f"{line}\n" for line in _section(config, indent=0))


def _section(model: BaseModel, indent: int) -> Iterator[str]:
    pad = " " * indent
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        unit = f" [{extra['unit']}]" if "unit" in extra else ""
        if indent == 0 and isinstance(value, BaseModel):
            yield ""
        text = field.description or (type(value).__doc__ or "").splitlines()[0]
        yield from (f"{pad}# {line}" for line in wrap(f"{text}{unit}", WIDTH - indent - 2))
        if isinstance(value, BaseModel):
            yield f"{pad}{name}:"
            yield from _section(value, indent + 2)
        else:
            plain = json.loads(model.model_dump_json(include={name}))[name]
            # As the only item of a list, any value renders on one line.
            rendered = yaml.safe_dump([plain], default_flow_style=True, width=10_000).strip()[1:-1]
            yield f"{pad}{name}: {rendered}"
