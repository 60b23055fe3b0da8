from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from belka.errors import InputError
from pipeline.runners.kubeflow.pipeline_file import PipelineFile, read_pipeline, run_parameters

TYPES = {
    "name": "STRING",
    "flag": "BOOLEAN",
    "count": "NUMBER_INTEGER",
    "rate": "NUMBER_DOUBLE",
    "list": "LIST",
    "map": "STRUCT",
}
PIPELINE = PipelineFile("belka", dict.fromkeys(TYPES), TYPES, ())


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("name", "2026-01-15", "2026-01-15"),
        ("name", "007", "007"),
        ("name", "null", "null"),
        ("flag", "true", True),
        ("count", "12", 12),
        ("rate", "1e-3", 0.001),
        ("rate", "2", 2),
        ("list", "[1, 2]", [1, 2]),
        ("map", '{"a": 1}', {"a": 1}),
        ("flag", False, False),
    ],
)
def test_a_value_has_the_type_of_its_parameter(name: str, text: Any, value: Any) -> None:
    read = run_parameters(PIPELINE, {name: text})
    assert read == {name: value}
    assert type(read[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("name", 5, "a text"),
        ("flag", "1", "true or false"),
        ("flag", "yes", "true or false"),
        ("count", "true", "a whole number"),
        ("count", "1.5", "a whole number"),
        ("rate", "NaN", "a number"),
        ("list", "{}", "a JSON list"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, text: Any, form: str) -> None:
    with pytest.raises(InputError, match=f"The parameter {name} has a value of another type[\\s\\S]*expected: {form}"):
        run_parameters(PIPELINE, {name: text})


def _compiled() -> Any:
    return {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "belka"},
        "root": {
            "dag": {"tasks": {"a": {"componentRef": {"name": "c"}, "retryPolicy": {"maxRetryCount": 1}}}},
            "inputDefinitions": {"parameters": {"seed": {"parameterType": "NUMBER_INTEGER"}}},
        },
        "components": {"c": {"executorLabel": "e"}},
        "deploymentSpec": {"executors": {"e": {"container": {"image": "i"}}}},
    }


_DAMAGES: dict[str, Callable[[Any], Any]] = {
    "no pipelineInfo": lambda spec: spec.pop("pipelineInfo"),
    "name is a list": lambda spec: spec["pipelineInfo"].update(name=[1]),
    "pipeline root is a number": lambda spec: spec.update(defaultPipelineRoot=5),
    "root is a text": lambda spec: spec.update(root="x"),
    "tasks are a list": lambda spec: spec["root"]["dag"].update(tasks=[1]),
    "task is a text": lambda spec: spec["root"]["dag"]["tasks"].update(a="x"),
    "no component": lambda spec: spec.update(components={}),
    "component is null": lambda spec: spec["components"].update(c=None),
    "no executor": lambda spec: spec.update(deploymentSpec={"executors": {}}),
    "executor is a number": lambda spec: spec["deploymentSpec"]["executors"].update(e=5),
    "container is a text": lambda spec: spec["deploymentSpec"]["executors"]["e"].update(container="container"),
    "waits for a number": lambda spec: spec["root"]["dag"]["tasks"]["a"].update(dependentTasks=5),
    "waits for nobody": lambda spec: spec["root"]["dag"]["tasks"]["a"].update(dependentTasks=["b"]),
    "retries are a text": lambda spec: spec["root"]["dag"]["tasks"]["a"].update(retryPolicy={"maxRetryCount": "x"}),
    "parameter without a type": lambda spec: spec["root"]["inputDefinitions"].update(parameters={"seed": {}}),
    "parameters are a list": lambda spec: spec["root"]["inputDefinitions"].update(parameters=[1]),
}


def test_a_compiled_pipeline_is_read(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(_compiled()))
    assert [task.attempts for task in read_pipeline(tmp_path / "pipeline.yaml").tasks] == [2]


@pytest.mark.parametrize("damage", _DAMAGES.values(), ids=_DAMAGES)
def test_a_damaged_pipeline_is_refused_in_one_answer(tmp_path: Path, damage: Callable[[Any], Any]) -> None:
    spec = _compiled()
    damage(spec)
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(spec))
    with pytest.raises(InputError, match="This is no compiled pipeline"):
        read_pipeline(tmp_path / "pipeline.yaml")


def test_a_pipeline_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("[" * 100_000)
    with pytest.raises(InputError, match="This is no compiled pipeline"):
        read_pipeline(tmp_path / "pipeline.yaml")
