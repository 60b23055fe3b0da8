"""Which step's cache key each key of the configuration is part of, told from the fields' own declarations."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from pydantic import BaseModel

from belka.contract import Node
from belka.settings import nodes_decided
from pipeline.config.settings import Config
from trainer_module.settings import MODES

HEADER: Final = """# Which keys repeat which steps

A step runs again when a key changes that decides its result, when its inputs change, or when the code does that it can
import. Keys that decide no result only say how or where it is computed: they repeat nothing. Written by
`belka config keys`; a test keeps it so. [configs/default.yaml](../configs/default.yaml) has meanings and defaults.

- `data.raw_dir` is in no key, since `data.raw_digest` names the content. On Kubeflow, where a run may set it, it is in
  those of its readers.
- `pipeline_name` and `data.output_dir` say whose cache it is: with another one all steps run.
- What `training.stages` leaves out is not trained; a stage that then starts from another one runs again.
- `descriptor-sample` runs only where `training.stages` names mtr.
- `ensemble` runs only where `model.members` names more than the transformer.
- Kubeflow's cache also knows the image and the environment of a pod, and so every key that `belka compile` puts there.
- A training goes on from its checkpoints when only `training.epochs` grows; all else that decides it starts it over.

| key | steps |
|---|---|
"""


def steps_of_keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every key with the nodes whose cache key it is part of; `trainer` stands for the Trainers of all stages.

    Args:
        section: The section whose keys are told.
        prefix: Where it lies, with a dot at its end.
    """
    for name, field in section.model_fields.items():
        kind, (*_, last) = field.annotation, (None, *prefix.split(".")[:-1])
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from steps_of_keys(kind, f"{prefix}{name}.")
        else:
            stage = f"-{last}" if last in MODES else ""
            nodes = nodes_decided(section, name)
            yield f"{prefix}{name}", tuple(f"{node}{stage if node is Node.TRAINER else ''}" for node in nodes)


def keys_table() -> str:
    """The whole page docs/keys.md."""
    rows = []
    for nodes, pairs in groupby(steps_of_keys(), key=lambda pair: (pair[0].rpartition(".")[0], pair[1])):
        names = ", ".join(f"`{key}`" for key, _ in pairs)
        rows.append(f"| {names} | {', '.join(nodes[1]) or 'none'} |\n")
    return HEADER + "".join(rows)
