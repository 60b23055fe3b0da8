"""Outputs that Kubeflow's pages can draw: numbers as system.Metrics, a page as system.HTML.

The UI draws those types only, and TFX components cannot declare them. The compiled pipeline adds them to a component,
and the pod's entrypoint fills them from files that the component writes anyway.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pipeline.runners.kubeflow.protocol import local_path

METRICS: Final = "system.Metrics"
HTML: Final = "system.HTML"


@dataclass(frozen=True)
class Display:
    """One output the UI draws.

    Attributes:
        name: Output key added to the component.
        schema_title: `METRICS` or `HTML`.
        source_output: Output key of the component that holds the file.
        source_file: JSON file with numbers, or HTML file, relative to that output.
    """

    name: str
    schema_title: str
    source_output: str
    source_file: str

    def as_argument(self) -> str:
        """The text that carries this display to the pod."""
        return f"{self.name}:{self.schema_title}:{self.source_output}:{self.source_file}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `as_argument` wrote."""
        return cls(*text.split(":"))


def fill_displays(
    displays: Sequence[Display], executor_input: Mapping[str, Any], executor_output: dict[str, Any], store_root: Path
) -> None:
    """Fill the outputs the UI draws; a source file that is not there leaves its display empty.

    Args:
        displays: What the pipeline added to this component.
        executor_input: ExecutorInput as the launcher handed it over, with bucket URIs.
        executor_output: ExecutorOutput, changed in place.
        store_root: Folder that holds the launcher's copies of buckets.
    """
    outputs = executor_input["outputs"].get("artifacts", {})
    for display in displays:
        given = outputs[display.name]["artifacts"][0]
        source = local_path(outputs[display.source_output]["artifacts"][0]["uri"], store_root) / display.source_file
        if not source.is_file():
            continue
        filled: dict[str, Any] = {"uri": given["uri"]}
        if display.schema_title == METRICS:
            filled["metadata"] = dict(flat_numbers(json.loads(source.read_text(encoding="utf-8"))))
        else:
            target = local_path(given["uri"], store_root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        executor_output.setdefault("artifacts", {})[display.name] = {"artifacts": [filled]}


def flat_numbers(values: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every finite number of a JSON value under its path, joined by dots; booleans and texts are left out."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from flat_numbers(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(values, (int, float)) and not isinstance(values, bool) and math.isfinite(values):
        yield prefix, float(values)
