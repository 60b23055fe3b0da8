"""Settings as every room receives them: strict, frozen sections whose fields declare what they decide.

A field decides the result of some nodes, or only how a result is computed. Only the first kind becomes a parameter of a
TFX execution, and so part of its cache key: another number of workers repeats nothing. Values of the second kind reach
the process of a node through one environment variable, which the runner sets.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from belka.contract import (
    DEFAULT_TARGETS,
    EXTRA_TARGET,
    LABEL_POSITIVE,
    RAW_BLOCKS,
    RAW_ID,
    RAW_LABEL,
    RAW_PROTEIN,
    RAW_READERS,
    RAW_SMILES,
    Node,
)
from belka.environment import environment_variable
from belka.errors import InputError
from belka.texts import did_you_mean

COMPUTATION_VARIABLE: Final = "BELKA_COMPUTATION"
BEAM_FLAGS: Final = "beam_flags"  # beside the sections in that variable: flags for every Beam component

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Spelling = Literal["canonical", "as_given"]
TARGET_PATTERN: Final = r"^[A-Za-z0-9_.-]+$"
Target = Annotated[str, Field(pattern=TARGET_PATTERN)]


class StrictSection(BaseModel):
    """A frozen section that refuses unknown keys, silent conversions, NaN and infinity.

    Attributes:
        DECIDES: Nodes whose results the fields decide that do not declare their own with `decides`; none = the fields
            only say how, or where, something is computed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    DECIDES: ClassVar[tuple[Node, ...]] = ()

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, source: str, action: str) -> Self:
        """Turn plain values, as JSON or YAML holds them, into the section.

        Args:
            values: Key -> value.
            source: Where the values come from, for the message.
            action: What to do when they are not valid.

        Raises:
            InputError: A key is unknown, or a value has another type or is out of its range; the message names all.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise InputError(
                f"{source[:1].upper()}{source[1:]} is not valid.",
                received="; ".join(_described(cls, item) for item in error.errors()),
                expected="the sections and keys that `belka config show` prints",
                action=action,
            ) from error


def decides(*nodes: Node, unit: str = "", used_by: Sequence[Node] = ()) -> dict[str, Any]:
    """The `json_schema_extra` of a field that decides the results of other nodes than its section does.

    Args:
        nodes: The nodes; none = the field only says how something is computed.
        unit: Unit of the value, for the reference of the configuration.
        used_by: The only nodes that use the value, where it decides nothing but not every node uses it.
    """
    return {
        "decides": list(nodes),
        **({"unit": unit} if unit else {}),
        **({"used_by": list(used_by)} if used_by else {}),
    }


def nodes_decided(section: type[BaseModel], name: str) -> tuple[Node, ...]:
    """The nodes whose results a field of a section decides."""
    declared = _declared(section, name, "decides")
    return tuple(getattr(section, "DECIDES", ())) if declared is None else declared


def used(settings: BaseModel, nodes: Collection[Node]) -> dict[str, Any]:
    """The values that some nodes use, for their results or for how they compute, in their sections."""

    def is_used(section: type[BaseModel], name: str) -> bool:
        users = (*nodes_decided(section, name), *(_declared(section, name, "used_by") or ()))
        return not users or any(node in users for node in nodes)

    return _selected(settings, is_used)


def deciding(settings: BaseModel, node: Node | None = None) -> dict[str, Any]:
    """The values that decide the result of a node (None = of any), in their sections, as JSON holds them."""

    def is_decisive(section: type[BaseModel], name: str) -> bool:
        nodes = nodes_decided(section, name)
        return bool(nodes) if node is None else node in nodes

    return _selected(settings, is_decisive)


def computing(settings: BaseModel) -> dict[str, Any]:
    """The values that decide no result, only how it is computed, in their sections, as JSON holds them."""
    return _selected(settings, lambda section, name: not nodes_decided(section, name))


@contextmanager
def computation(values: Mapping[str, Any]) -> Iterator[None]:
    """Hand values to the nodes that run in this process, or in its children, while the block runs.

    Args:
        values: From `computing`.
    """
    with environment_variable(COMPUTATION_VARIABLE, json.dumps(values)):
        yield


def received_computation(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the runner handed over with `computation`; nothing where it handed over nothing."""
    values: dict[str, Any] = json.loads(environment.get(COMPUTATION_VARIABLE, "{}"))
    return values


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both, section by section; where they meet, the second."""
    both = {**first}
    for name, value in second.items():
        below = both.get(name)
        both[name] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both


Section = TypeVar("Section", bound=StrictSection)


class NodeSettings:
    """The settings of a node as its execution receives them.

    Args:
        parameter: The execution parameter `settings`: what `deciding` selects, as JSON.
        environment: Where `COMPUTATION_VARIABLE` is looked up.
    """

    def __init__(self, parameter: str, environment: Mapping[str, str] = os.environ) -> None:
        self._values = merged(received_computation(environment), json.loads(parameter))

    def section(self, name: str, kind: type[Section]) -> Section:
        """One section; fields that this node does not receive have their defaults."""
        return kind.parse(
            self._values.get(name, {}), source=f"the section {name}", action="Compile or start the pipeline again."
        )

    def value(self, name: str, key: str) -> Any:
        """One value of a section whose class lies in a room that the node may not import."""
        return self._values[name][key]


class LabelSettings(StrictSection):
    """How a read count becomes a label."""

    DECIDES = (Node.PARQUET_MERGE,)

    threshold: int = Field(ge=1, description="Least read count of a pair that binds; fewer reads are a negative.")


class ColumnSettings(StrictSection):
    """What the columns of the raw tables are called: our name of a column -> the files' name of it."""

    DECIDES = RAW_READERS

    id: str = Field(default=RAW_ID, min_length=1, description="Id of a row, text or number; train does without.")
    smiles: str = Field(default=RAW_SMILES, min_length=1, description="SMILES of the whole molecule.")
    protein: str = Field(
        default=RAW_PROTEIN,
        min_length=1,
        description="Name of the target. A table without it has a column of labels named after each target.",
    )
    label: str = Field(default=RAW_LABEL, min_length=1, description="Whether the molecule binds: 0, 1, true or false.")
    block1: str = Field(default=RAW_BLOCKS[0], min_length=1, description="SMILES of the first building block.")
    block2: str = Field(default=RAW_BLOCKS[1], min_length=1, description="SMILES of the second building block.")
    block3: str = Field(
        default=RAW_BLOCKS[2],
        min_length=1,
        description="SMILES of the third. Libraries of two blocks, or of none, lack the columns.",
    )


class DataSettings(StrictSection):
    """Where the data are, how they are split, and what is stored for training."""

    raw_dir: str = Field(
        default="data",
        min_length=1,
        json_schema_extra=decides(used_by=RAW_READERS),
        description="Folder of train and test (parquet or csv), or its place on an object store.",
    )
    train_file: str | None = Field(
        default=None,
        min_length=1,
        json_schema_extra=decides(*RAW_READERS),
        description="Own name of the training table within raw_dir: a file, a folder of parts, or the name before "
        "-00000-of-00042.parquet. null = train.",
    )
    test_file: str | None = Field(
        default=None,
        min_length=1,
        json_schema_extra=decides(*RAW_READERS),
        description="Own name of the test table. null = test; where there is none, there is no submission.",
    )
    columns: ColumnSettings = Field(default_factory=ColumnSettings)
    raw_digest: str | None = Field(
        default=None,
        json_schema_extra=decides(*RAW_READERS),
        description="Content of the raw files as one text, part of the cache key. null = the local runner reads them.",
    )
    output_dir: str = Field(
        default="output",
        min_length=1,
        description="Folder that receives every result, or its place on an object store.",
    )
    targets: tuple[Target, ...] = Field(
        default=DEFAULT_TARGETS,
        min_length=1,
        strict=False,
        json_schema_extra=decides(
            Node.PARQUET_MERGE, Node.TRAINER, Node.ENSEMBLE, Node.AFFINITY_EVALUATOR, Node.SUBMISSION_WRITER
        ),
        description="Proteins, in the order of the model's outputs. Not given, those of the training table.",
    )
    binds: LabelSettings | None = Field(
        default=None,
        json_schema_extra=decides(Node.PARQUET_MERGE),
        description="null = the raw labels are 0 and 1. {threshold: N} = they are read counts: N or more is 1, else 0.",
    )
    use_extra_data: bool = Field(
        default=True,
        json_schema_extra=decides(Node.PARQUET_MERGE),
        description=f"Use DNA_Labeled_Data.csv where it lies in raw_dir ({EXTRA_TARGET} labels, training only).",
    )
    spelling: Spelling = Field(
        default="canonical",
        json_schema_extra=decides(Node.PARQUET_MERGE, Node.TRAINER),
        description="Spelling of SMILES: RDKit's canonical one, to which others are brought; or as_given, where two "
        "spellings of a structure stay two molecules, and models score what they are given.",
    )
    validation_block_share: Share = Field(
        default=0.03,
        json_schema_extra=decides(Node.PARQUET_MERGE),
        description="Share of all building blocks held out; a molecule with any of them is validation.",
    )
    validation_shared_share: Share = Field(
        default=0.0,
        json_schema_extra=decides(Node.PARQUET_MERGE),
        description="Share of the remaining molecules that becomes validation with blocks training knows.",
    )
    max_rejected_share: Share = Field(
        default=0.01,
        json_schema_extra=decides(Node.PARQUET_MERGE, Node.MOLECULE_TRANSFORM),
        description="Share of unusable rows, among those of the targets, above which the run stops.",
    )
    rejected_prediction: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        json_schema_extra=decides(Node.SUBMISSION_WRITER),
        description="Probability written for test rows that could not be used or are of no target.",
    )
    rows_per_shard: int = Field(
        default=1_000_000,
        ge=1_000,
        json_schema_extra=decides(Node.PARQUET_MERGE, Node.MOLECULE_TRANSFORM),
        description="Molecules per parquet or TFRecord shard.",
    )
    compression: Literal["gzip", "none"] = Field(
        default="gzip", json_schema_extra=decides(Node.MOLECULE_TRANSFORM), description="Compression of the TFRecords."
    )

    @property
    def positive_from(self) -> int:
        """Least value of the column binds that is a positive label."""
        return self.binds.threshold if self.binds else LABEL_POSITIVE

    @model_validator(mode="after")
    def _targets_are_distinct(self) -> Self:
        if len(set(self.targets)) != len(self.targets):
            raise ValueError(f"targets must be distinct, received {list(self.targets)}")
        return self


class SystemSettings(StrictSection):
    """What the machine gives."""

    seed: int = Field(
        default=42,
        ge=0,
        le=2**31 - 1,
        json_schema_extra=decides(Node.PARQUET_MERGE, Node.TRAINER, Node.ENSEMBLE, Node.AFFINITY_EVALUATOR),
        description="Seed of splits, shuffles, initial weights and dropout.",
    )
    n_workers: int = Field(default=0, ge=0, description="Worker processes and threads; 0 = all cores.")
    memory_limit_gb: float = Field(default=4.0, ge=0.5, description="Memory of the merge, GB.")
    spill_dir: str | None = Field(default=None, description="Folder for spilled data; null = below output_dir.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Level of the log file."
    )
    keep_logs: int = Field(default=50, ge=1, description="Runs whose logs and events stay in the folder logs.")
    enable_cache: bool = Field(default=True, description="Serve a step from the cache when its inputs did not change.")


def _declared(section: type[BaseModel], name: str, kind: str) -> tuple[Node, ...] | None:
    extra = section.model_fields[name].json_schema_extra
    found = extra.get(kind) if isinstance(extra, dict) else None
    return None if found is None else tuple(found)  # type: ignore[arg-type]


def _selected(settings: BaseModel, wanted: Callable[[type[BaseModel], str], bool]) -> dict[str, Any]:
    kind = type(settings)
    found: dict[str, Any] = {}
    for name in kind.model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            if inner := _selected(value, wanted):
                found[name] = inner
        elif wanted(kind, name):
            found[name] = json.loads(settings.model_dump_json(include={name}))[name]
    return found


def _described(section: type[BaseModel], item: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in item["loc"]) or "(top level)"
    if item["type"] == "extra_forbidden":
        known = [key for key in _keys(section) if key.count(".") == place.count(".")]
        return f"{place}: unknown key. {did_you_mean(place, known)}".rstrip(". ")
    return f"{place}: {item['msg']} (received {item['input']!r})"


def _keys(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of a section and of those in it, with dots."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
