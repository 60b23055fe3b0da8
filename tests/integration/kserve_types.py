"""Read an InferenceService strictly by the types of KServe's and Kubernetes's Python clients, in KServe's environment.

    python kserve_types.py FILE

The clients themselves leave out what they do not know. Prints a line for each field that is unknown or of another type.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import kserve
import yaml
from kubernetes import client

Kinds = dict[str, type | tuple[type, ...]]
SIMPLE: Final[Kinds] = {"str": str, "int": int, "float": (int, float), "bool": bool, "object": object}


def problems(value: Any, kind: str, place: str) -> Iterator[str]:
    """What of `value` is not as the type `kind` of the clients has it."""
    if found := re.fullmatch(r"list\[(.+)\]", kind):
        if not isinstance(value, list):
            yield f"{place}: {kind} expected"
            return
        for i, each in enumerate(value):
            yield from problems(each, found[1], f"{place}[{i}]")
    elif found := re.fullmatch(r"dict\(str, (.+)\)", kind):
        if not isinstance(value, dict):
            yield f"{place}: {kind} expected"
            return
        for key, each in value.items():
            yield from problems(each, found[1], f"{place}.{key}")
    elif kind in SIMPLE:
        if not isinstance(value, SIMPLE[kind]) or (kind == "int" and isinstance(value, bool)):
            yield f"{place}: {kind} expected, {value!r} found"
    else:
        yield from _of_model(value, getattr(kserve, kind, None) or getattr(client, kind), place)


def _of_model(value: Any, model: Any, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: {model.__name__} expected"
        return
    names = {written: own for own, written in model.attribute_map.items()}
    for key, each in value.items():
        if key not in names:
            yield f"{place}.{key}: {model.__name__} has no such field"
        else:
            yield from problems(each, model.openapi_types[names[key]], f"{place}.{key}")


if __name__ == "__main__":
    document = yaml.safe_load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    lines = list(problems(document, "V1beta1InferenceService", document["kind"]))
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(bool(lines))
