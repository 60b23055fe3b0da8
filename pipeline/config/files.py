"""Read, override, explain and write the configuration."""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import yaml
from pydantic import BaseModel

from belka.contract import Node
from belka.errors import InputError
from belka.files import atomic_path
from belka.places.names import place_of
from belka.places.uri import local_place
from belka.raw_directory import raw_digest
from belka.raw_targets import find_targets
from belka.settings import used
from belka.state_files import RECOVERY, set_aside
from pipeline.config.settings import Config
from pipeline.config.yaml_text import parse_yaml

logger = logging.getLogger(__name__)
recovery = logging.getLogger(RECOVERY)

CONFIG_VARIABLE = "BELKA_CONFIG"
END: Final = "...\n"  # YAML's mark of a document's end: the file was written whole
WIDTH: Final = 118
HEADER: Final = "# Every key with its default. Written by `belka config show --explain`; a test keeps it so.\n"
# Keys of earlier versions and what they are called now.
RENAMED: Final[Mapping[str, str]] = {
    "data.raw_fingerprint": "data.raw_digest",
    "data.fingerprint": "fingerprint.kind",
    "data.ecfp_size": "fingerprint.size",
    "data.ecfp_radius": "fingerprint.radius",
    "data.ecfp_chirality": "fingerprint.chirality",
    "data.ecfp_method": "fingerprint.method",
}


def load_config(path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Build the configuration from the defaults, a YAML file and single overrides, in this order.

    Args:
        path: YAML file with any of the sections; None = the defaults alone.
        overrides: `section.key=value` texts; a value is read as YAML, so `true`, `0.1`, `[a, b]` and `null` work.

    Raises:
        InputError: The file is missing or not YAML, an override is malformed, a key is unknown, a value does not fit.
    """
    values = _read_yaml(path) if path else {}
    for override in overrides:
        _apply_override(values, override)
    source = str(path) if path else "the defaults"
    return validate_config(values, source=f"{source} and what --set changes" if overrides else source)


def load_config_from_environment(environment: Mapping[str, str] = os.environ) -> Config:
    """Build the configuration from the file that BELKA_CONFIG names: the `tfx` command takes no arguments of ours.

    Raises:
        InputError: The configuration is not valid, or names a place on an object store, which `belka run` alone takes.
    """
    path = environment.get(CONFIG_VARIABLE)
    config = load_config(local_place(path) if path else None)
    for folder in (config.data.raw_dir, config.data.output_dir):
        local_place(folder)
    return config


def validate_config(values: Mapping[str, Any], source: str) -> Config:
    """Turn plain values into the strict model, old keys included; `source` names their origin in the error."""
    return Config.parse(
        _with_present_names(values, source),
        source=f"the configuration from {source}",
        action="Correct or remove the keys named above.",
    )


def _with_present_names(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    present = {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}
    for old, new in RENAMED.items():
        (old_section, old_key), (section, key) = old.split("."), new.split(".")
        before = present.get(old_section)
        if not isinstance(before, dict) or old_key not in before:
            continue
        value, after = before.pop(old_key), present.setdefault(section, {})
        if isinstance(after, dict) and key in after:
            raise InputError(
                "A key of the configuration is given under its old and its new name.",
                received=f"{old} and {new}, from {source}",
                expected=new,
                action=f"Remove {old}.",
            )
        if isinstance(after, dict):
            after[key] = value
        logger.warning("The key %s is now called %s; the old name still works.", old, new)
    return present


def with_raw_digest(config: Config) -> Config:
    """The configuration with `data.raw_digest` of the files as they are now: the cache never serves changed data.

    Raises:
        InputError: A raw file is missing or given twice.
    """
    data = config.data.model_copy(update={"raw_digest": raw_digest(Path(config.data.raw_dir), config.data)})
    return config.model_copy(update={"data": data})


def with_found_targets(config: Config) -> Config:
    """The configuration with the targets of the training table where it names none.

    Raises:
        InputError: The training table is missing or cannot be read.
    """
    data = config.data
    if "targets" in data.model_fields_set:
        return config
    targets = find_targets(Path(data.raw_dir), data)
    if targets != data.targets:
        logger.warning("The targets found in the training table are %s (data.targets).", ", ".join(targets))
    return config.model_copy(update={"data": data.model_copy(update={"targets": targets})})


def dump_config(config: Config) -> str:
    """Render the whole configuration as YAML, every key included; copies of what lies on a store have its URI."""
    data = config.data.model_copy(
        update={name: place_of(getattr(config.data, name)) for name in ("raw_dir", "output_dir")}
    )
    config = config.model_copy(update={"data": data})
    # JSON first: YAML has no tuples.
    return yaml.safe_dump(json.loads(config.model_dump_json()), sort_keys=False)


def write_resolved(config: Config, target: Path, nodes: Sequence[Node] | None = None) -> None:
    """Write the resolved configuration beside the results.

    Args:
        config: The configuration.
        target: The file. What it says of steps that do not run stays: they did not use the present values.
        nodes: The nodes that run; None = all.
    """
    if nodes is not None and target.is_file():
        try:
            earlier = json.loads(load_resolved(target).model_dump_json())
        except InputError as error:
            recovery.warning(
                "%s\nIt is now %s; this command's configuration takes its place.", error, set_aside(target)
            )
        else:
            config = validate_config(_replaced(earlier, used(config, nodes), config), source=str(target))
    with atomic_path(target) as temporary:
        temporary.write_text(dump_config(config) + END, encoding="utf-8")


def load_resolved(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read what `write_resolved` wrote; a file that was cut is refused, for what it lacks would be taken as default.

    Raises:
        InputError: The file is not whole.
    """
    values = _read_yaml(path)
    # Files of earlier versions have no end mark, but every section of theirs.
    if not path.read_text(encoding="utf-8").endswith(END) and not {"model", "training", "data", "system"} <= set(
        values
    ):
        raise InputError(
            "The configuration of the last run is not whole.",
            received=f"{path}: {path.stat().st_size:,} bytes, without the mark at its end",
            expected="the file as the run wrote it",
            action="Name the configuration with --config; or run `belka run`, which writes the file anew.",
        )
    return load_config(path, overrides)


def _replaced(values: dict[str, Any], by: Mapping[str, Any], section: BaseModel) -> dict[str, Any]:
    """Values whose fields are replaced, section by section: a field may be a mapping itself."""
    for name, value in by.items():
        below = getattr(section, name)
        values[name] = _replaced(values[name], value, below) if isinstance(below, BaseModel) else value
    return values


def explain_config(config: Config) -> str:
    """Render the configuration as YAML with each key's meaning, unit and range above it."""
    return HEADER + "".join(f"{line}\n" for line in _explained(config, indent=0))


def _explained(model: BaseModel, indent: int) -> Iterator[str]:
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
            yield from _explained(value, indent + 2)
        else:
            plain = json.loads(model.model_dump_json(include={name}))[name]
            # As the only item of a list, any value renders on one line.
            rendered = yaml.safe_dump([plain], default_flow_style=True, width=10_000).strip()[1:-1]
            yield f"{pad}{name}: {rendered}"


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(
            "The configuration file does not exist.",
            received=str(path.absolute()),
            expected="a YAML file such as configs/default.yaml",
            action="Check the path given with --config.",
        )
    try:
        values = parse_yaml(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            "The configuration file is not valid YAML.",
            received=f"{path}: {error}",
            expected="sections with `key: value` lines",
            action="Compare it with configs/default.yaml.",
        ) from error
    if not isinstance(values, dict):
        raise InputError(
            "The configuration file holds no sections.",
            received=f"{path}: {type(values).__name__}",
            expected="a mapping such as `data: {raw_dir: ...}`",
            action="Compare it with configs/default.yaml.",
        )
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    path = key.strip().split(".")
    if not separator or not all(path):
        raise InputError(
            "A --set value is malformed.",
            received=override,
            expected="section.key=value, for instance --set training.epochs=3",
            action="Correct the --set option.",
        )
    try:
        value = parse_yaml(text)
    except yaml.YAMLError as error:
        raise InputError(
            "A --set value is not valid YAML.",
            received=override,
            expected="a number, text, true, false, null or [a, b]",
            action="Quote the value.",
        ) from error
    section = values
    for name in path[:-1]:
        nested = section.setdefault(name, {})
        if not isinstance(nested, dict):
            raise InputError(
                "A --set key goes below a plain value.",
                received=override,
                expected="section.key=value",
                action="See `belka config show` for the keys.",
            )
        section = nested
    section[path[-1]] = value
