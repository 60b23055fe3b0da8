"""Settings that a run may choose without compiling anew: parameters of the pipeline, put into what components receive.

Components receive their settings as one JSON text. The compiled file gives their tasks a parameter more for each of
these settings; the pod's entrypoint writes its value into the text, and checks it as the configuration would.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from belka.settings import StrictSection, SystemSettings
from pipeline.runners.kubeflow.pipeline_file import PipelineFile, component_of, container_of, parameters_of, tasks_of
from pipeline.runners.kubeflow.protocol import RUNTIME_SETTING_FLAG, Json
from trainer_module.settings import TrainingSettings


@dataclass(frozen=True)
class RuntimeSetting:
    """One key of the configuration that a run may choose.

    Attributes:
        key: The key.
        section: What checks it.
        kind: ParameterType of pipeline_spec.proto.
        places: Parameter of a component -> where in its JSON object the section lies.
    """

    key: str
    section: type[StrictSection]
    kind: str
    places: Mapping[str, tuple[str, ...]]

    @property
    def field(self) -> str:
        """Name of the key within its section."""
        return self.key.rpartition(".")[2]


_TRAINERS: Final = {"custom_config": ("training",)}
RUNTIME_SETTINGS: Final[Mapping[str, RuntimeSetting]] = {
    "epochs": RuntimeSetting("training.epochs", TrainingSettings, "NUMBER_INTEGER", _TRAINERS),
    "learning_rate": RuntimeSetting("training.learning_rate", TrainingSettings, "NUMBER_DOUBLE", _TRAINERS),
    # Trainers have the seed beside their sections.
    "seed": RuntimeSetting(
        "system.seed", SystemSettings, "NUMBER_INTEGER", {"custom_config": (), "settings": ("system",)}
    ),
}


def expose_settings(spec: Json) -> None:
    """Make the settings parameters of the pipeline; what was compiled becomes their default.

    A stage of training with a value of its own keeps it: its task gets no such parameter.

    Args:
        spec: The compiled pipeline, changed in place.
    """
    for task_name, task in tasks_of(spec).items():
        given = parameters_of(task)
        constants = _constants(task)
        for name, setting in RUNTIME_SETTINGS.items():
            for holder, text in _holders(setting, constants):
                stage = holder.get(str(text.content.get("mode")))
                if isinstance(stage, dict) and stage.get(setting.field) is not None:
                    continue
                given[name] = {"componentInputParameter": name}
                component_of(spec, task_name)["inputDefinitions"]["parameters"][name] = {"parameterType": setting.kind}
                container_of(spec, task_name)["args"] += [RUNTIME_SETTING_FLAG, name]
                declared = spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
                default = holder[setting.field]
                declared[name] = {"parameterType": setting.kind, "defaultValue": default, "isOptional": True}


def apply_settings(values: Json, names: Iterable[str]) -> None:
    """Write the values of runtime settings where components read them, and take them out of what TFX sees.

    Args:
        values: Parameters of one task: name -> value; changed in place.
        names: Those of them that are runtime settings.

    Raises:
        InputError: The configuration would not take a value.
    """
    for name in names:
        setting, value = RUNTIME_SETTINGS[name], values.pop(name)
        if setting.kind == "NUMBER_INTEGER" and isinstance(value, float) and value.is_integer():
            value = int(value)  # the protocol knows one kind of number
        for holder, write in _holders(setting, values):
            if holder[setting.field] == value:
                continue
            holder[setting.field] = value
            whole = holder if setting.places[write.parameter] else {setting.field: value}
            setting.section.parse(
                whole,
                source=f"the run's parameter {name} ({setting.key})",
                action=f"Start the run with another value: --parameter {name}=...",
            )
            values[write.parameter] = write.text()


def check_arguments(pipeline: PipelineFile, arguments: Mapping[str, Any]) -> None:
    """Check what a run gives to its parameters before anything is sent.

    Args:
        pipeline: The compiled pipeline.
        arguments: Parameter -> value, typed.

    Raises:
        InputError: The configuration would not take a value.
    """
    given = {**pipeline.parameters, **arguments}
    for task in pipeline.tasks:
        words = task.container.get("args", ())
        names = [word for flag, word in itertools.pairwise(words) if flag == RUNTIME_SETTING_FLAG]
        apply_settings({**_constants(task.task), **{name: given[name] for name in names}}, names)


@dataclass(frozen=True)
class _Text:
    """A JSON text that is being changed."""

    parameter: str
    content: Json

    def text(self) -> str:
        return json.dumps(self.content, sort_keys=True)


def _holders(setting: RuntimeSetting, values: Mapping[str, Any]) -> Iterable[tuple[Json, _Text]]:
    """Each section among the values that holds the setting, with the text it belongs to."""
    for parameter, path in setting.places.items():
        try:
            content = json.loads(values.get(parameter, ""))
            holder = content
            for part in path:
                holder = holder[part]
        except (ValueError, TypeError, LookupError):
            continue
        if isinstance(holder, dict) and setting.field in holder:
            yield holder, _Text(parameter, content)


def _constants(task: Json) -> Json:
    sources = parameters_of(task).items()
    return {name: value["runtimeValue"]["constant"] for name, value in sources if "runtimeValue" in value}
