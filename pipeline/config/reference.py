"""The reference of the configuration, docs/configuration.md: each key with its values, default and meaning."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from pipeline.config.settings import Config

HEADER: Final = """# Each setting

Written by `belka config reference`; a test keeps it so. A configuration file has the sections with the keys that differ
from the defaults: [configs/demo.yaml](../configs/demo.yaml) is one, [configs/default.yaml](../configs/default.yaml) has
every key. On the command line `--set 'training.stages=[clf]'` sets one key; values are read as YAML, and zsh wants the
quotes around brackets. Unknown keys and values out of range are errors that name the key. [keys.md](keys.md) says which
steps run again when a key changes.
"""
_TABLE: Final = "\n| key | values | default | meaning |\n|---|---|---|---|\n"
_NAMES: Final = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true, false",
    "null": "null",
}
_BOUNDS: Final = (
    ("minimum", " from {}"),
    ("exclusiveMinimum", " above {}"),
    ("maximum", " to {}"),
    ("exclusiveMaximum", " below {}"),
    ("multipleOf", ", a multiple of {}"),
    ("pattern", " of the form `{}`"),
)


def reference_page() -> str:
    """The whole page docs/configuration.md."""
    schema = Config.model_json_schema()
    parts = [HEADER]
    for prefix, section in _sections(Config, ""):
        rows = [
            f"| `{prefix}{name}` | {_cell(values_of(_schema_of(section, name), schema['$defs']))} "
            f"| `{default_of(section, name)}` | {_cell(_meaning(section, name))} |\n"
            for name, field in section.model_fields.items()
            if not _is_section(field.annotation)
        ]
        title = prefix.rstrip(".") or "Top level"
        about = (section.__doc__ or "").split("\n\n")[0] if prefix else ""
        parts += [f"\n## {title}\n", f"\n{about}\n" if about else "", _TABLE, *rows]
    return "".join(parts)


def values_of(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What a key takes, in words.

    Args:
        schema: The JSON schema of the key.
        definitions: What its references name.
    """
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return " or ".join(values_of(part, definitions) for part in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(str(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list: {values_of(schema['items'], definitions)}"
    if "properties" in schema:
        return f"{{{', '.join(schema['properties'])}}}"
    if schema.get("type") == "object":
        (below,) = schema.get("patternProperties", {"": schema.get("additionalProperties")}).values()
        return f"name: {values_of(below, definitions)}"
    bounds = [text.format(schema[name]) for name, text in _BOUNDS if name in schema]
    return "".join([_NAMES[schema["type"]], *bounds])


def default_of(section: type[BaseModel], name: str) -> str:
    """The default of a key as YAML takes it on one line."""
    return json.dumps(json.loads(section.model_validate({}).model_dump_json(include={name}))[name]).replace('"', "")


def _sections(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield prefix, section
    for name, field in section.model_fields.items():
        if _is_section(field.annotation):
            yield from _sections(field.annotation, f"{prefix}{name}.")  # type: ignore[arg-type]  # just asked


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _schema_of(section: type[BaseModel], name: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = section.model_json_schema()["properties"][name]
    return schema


def _meaning(section: type[BaseModel], name: str) -> str:
    field = section.model_fields[name]
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit = f" [{extra['unit']}]" if "unit" in extra else ""
    return f"{field.description or ''}{unit}"
