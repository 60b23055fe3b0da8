"""Epochs, learning rate and seed as parameters of a run: wired, checked, and written where components read them."""

import json
from typing import Any

import pytest

from belka.errors import InputError
from pipeline.runners.kubeflow.pipeline_file import PipelineFile, TaskSpec
from pipeline.runners.kubeflow.runtime_settings import apply_settings, check_arguments, expose_settings

CONFIG = {"seed": 42, "training": {"epochs": 1000, "learning_rate": 0.001, "min_learning_rate": 1e-6}}


def _spec() -> dict[str, Any]:
    def task(**constants: Any) -> dict[str, Any]:
        values = {name: {"runtimeValue": {"constant": json.dumps(value)}} for name, value in constants.items()}
        return {"componentRef": {"name": "c"}, "inputs": {"parameters": values}}

    tasks = {"trainer-clf": task(custom_config=CONFIG), "merge": task(settings={"system": {"seed": 42}})}
    spec: dict[str, Any] = {"components": {}, "deploymentSpec": {"executors": {}}, "root": {"dag": {"tasks": tasks}}}
    for name, content in tasks.items():
        content["componentRef"]["name"] = name
        spec["components"][name] = {"executorLabel": name, "inputDefinitions": {"parameters": {}}}
        spec["deploymentSpec"]["executors"][name] = {"container": {"args": []}}
    return spec


def test_a_setting_becomes_a_parameter_of_every_task_that_it_decides() -> None:
    spec = _spec()
    expose_settings(spec)
    defaults = {name: p["defaultValue"] for name, p in spec["root"]["inputDefinitions"]["parameters"].items()}
    assert defaults == {"epochs": 1000, "learning_rate": 0.001, "seed": 42}
    wired = {
        name: sorted(key for key, source in task["inputs"]["parameters"].items() if "componentInputParameter" in source)
        for name, task in spec["root"]["dag"]["tasks"].items()
    }
    assert wired == {"trainer-clf": ["epochs", "learning_rate", "seed"], "merge": ["seed"]}
    assert spec["deploymentSpec"]["executors"]["merge"]["container"]["args"] == ["--runtime_setting", "seed"]
    assert spec["components"]["merge"]["inputDefinitions"]["parameters"] == {
        "seed": {"parameterType": "NUMBER_INTEGER"}
    }


def test_a_stage_with_a_value_of_its_own_takes_no_other() -> None:
    spec = _spec()
    own = {**CONFIG, "mode": "clf", "training": {**CONFIG["training"], "clf": {"epochs": 3, "learning_rate": None}}}  # type: ignore[dict-item]
    given = spec["root"]["dag"]["tasks"]["trainer-clf"]["inputs"]["parameters"]
    given["custom_config"]["runtimeValue"]["constant"] = json.dumps(own)
    expose_settings(spec)
    assert given.keys() == {"custom_config", "learning_rate", "seed"}
    assert spec["root"]["inputDefinitions"]["parameters"].keys() == {"learning_rate", "seed"}


def test_values_are_written_where_components_read_them() -> None:
    values: dict[str, Any] = {
        "custom_config": json.dumps(CONFIG),
        "epochs": 5.0,
        "learning_rate": 0.01,
        "seed": 7.0,
        "node": "x",
    }
    apply_settings(values, ["epochs", "learning_rate", "seed"])
    assert values.keys() == {"custom_config", "node"}
    changed = {"epochs": 5, "learning_rate": 0.01, "min_learning_rate": 1e-6}
    assert json.loads(values["custom_config"]) == {"seed": 7, "training": changed}
    assert '"epochs": 5,' in values["custom_config"]  # a whole number, though the message has 5.0


def test_what_is_compiled_stays_the_same_text() -> None:
    text = json.dumps(CONFIG, indent=1)
    values = {"custom_config": text, "epochs": 1000.0}
    apply_settings(values, ["epochs"])
    assert values == {"custom_config": text}


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("epochs", 0, "training.epochs"),
        ("epochs", 1.5, "training.epochs"),
        ("learning_rate", -0.1, "training.learning_rate"),
        ("seed", -1, "system.seed"),
    ],
)
def test_a_value_that_the_configuration_would_refuse_is_refused(name: str, value: float, key: str) -> None:
    spec = _spec()
    expose_settings(spec)
    with pytest.raises(InputError, match=f"{name} [(]{key}[)]"):
        apply_settings({"custom_config": json.dumps(CONFIG), name: value}, [name])
    tasks = tuple(
        TaskSpec(task, wiring, {}, spec["deploymentSpec"]["executors"][task]["container"], {})
        for task, wiring in spec["root"]["dag"]["tasks"].items()
    )
    pipeline = PipelineFile("p", {"epochs": 1000, "learning_rate": 0.001, "seed": 42}, {}, tasks)
    check_arguments(pipeline, {})
    with pytest.raises(InputError, match=f"{name} [(]{key}[)]"):
        check_arguments(pipeline, {name: value})
