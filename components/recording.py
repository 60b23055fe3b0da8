"""Every executor leaves provenance.json in its output folders: one mechanism for our components and TFX's own.

Executors are what local runs, `belka step` and Kubeflow's pods have in common, so they do it.
"""

import copy
import functools
import json
import logging
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.artifact import Artifact
from tfx.types.standard_artifacts import Schema

from belka.code_version import code_version, library_versions
from belka.contract import PROVENANCE_FILE
from belka.digests import digests_by_name, files_digest
from belka.errors import InputError
from belka.events.node import node_at_work
from belka.places.names import local_of, place_of
from belka.provenance import (
    Input,
    Provenance,
    ReadInputs,
    Record,
    check_whole,
    read_inputs,
    read_provenance,
    write_provenance,
)
from belka.settings import BEAM_FLAGS, received_computation
from belka.state_files import RECOVERY, set_aside
from components.artifact_types import Artifacts
from components.engine_jobs import EnginePipeline, JobServer

logger = logging.getLogger(RECOVERY)

# Execution parameters that this module adds to every node and reads.
NODE: Final = "node"
CODE_VERSION: Final = "code_version"
# Those that name a function of ours, which the executor imports.
_FUNCTIONS: Final = ("run_fn", "preprocessing_fn")
# Custom properties by which an executor tells what its parameters do not: the raw files it read, as `raw_digest` names
# them, and their folder; and, TFX's own, the folder of a pushed model.
RAW_DIGEST: Final = "raw_digest"
RAW_DIR: Final = "raw_dir"
PUSHED_TO: Final = "pushed_destination"


class Recording(BaseExecutor):
    """Write provenance.json into each output folder when the executor, which comes next in the bases, is done.

    Args:
        context: TFX's. Where it has flags for Beam, those that say how this run computes go before them.
    """

    def __init__(self, context: BaseExecutor.Context | None = None) -> None:
        if isinstance(context, BaseBeamExecutor.Context):
            # Not in the specification of the executor, which is part of its cache key.
            flags = [*received_computation().get(BEAM_FLAGS, ()), *(context.beam_pipeline_args or ())]
            context.beam_pipeline_args = flags
            if server := JobServer.of(flags):
                context.make_beam_pipeline_fn = functools.partial(EnginePipeline, flags, server)
        super().__init__(context)

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> Any:  # noqa: N802
        """Run the executor, then record what it left; both are told as events.

        Args:
            input_dict: Channel -> artifacts.
            output_dict: Channel -> artifacts.
            exec_properties: The parameters of the node.
        """
        with node_at_work(exec_properties.get(NODE, "")):
            return self._do(input_dict, output_dict, exec_properties)

    def _do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> Any:
        started = _now()
        node, modules = exec_properties.get(NODE, ""), executed_modules(type(self), exec_properties)
        settings = plain_settings(exec_properties)
        folders = {name: [Path(each.uri) for each in artifacts] for name, artifacts in input_dict.items()}
        _refuse_unmet(folders)
        if path := (settings.get("custom_config") or {}).get("model_path"):
            folders["model_path"] = [Path(path)]
        for name, paths in folders.items():
            for path in paths:
                check_whole(path, others=name == "model_path")
        read, version, libraries = read_inputs(folders), code_version(*modules), library_versions(*modules)
        with _alone_in_their_folders(input_dict) as readable:
            result = super().Do(readable, output_dict, exec_properties)
        made = Record(
            step=node,
            run=getattr(self._context, "pipeline_run_id", None) or "",
            started=started,
            finished=_now(),
            settings=settings,
            code_version=version,
            libraries=libraries,
        )
        for name, artifacts in output_dict.items():
            for artifact in artifacts:
                _record(artifact, made.model_copy(update={"output": name}), read)
        return result


def _refuse_unmet(folders: dict[str, list[Path]]) -> None:
    """Refuse an input that is wired to another node and is not there.

    TFX calls some inputs of its own components optional, so that a stage of training whose model to start from was
    forgotten, being damaged, would start from nothing without a word.
    """
    if unmet := [name for name, paths in folders.items() if not paths]:
        raise InputError(
            "What an earlier step leaves is not in the output directory.",
            received=f"no {', '.join(unmet)}: damaged or gone, and so no longer counted",
            expected="the results of all steps before",
            action="Run the earlier steps first (`belka run --to ...` or one `belka step ...` after the other).",
        )


def recorded(executor: Any) -> Any:
    """Class decorator: the same executor, under the same name, as a `Recording`."""
    members = {"__module__": executor.__module__, "__qualname__": executor.__qualname__, "__doc__": executor.__doc__}
    return type(executor)(executor.__name__, (Recording, executor), members)


def recorded_component(function: Callable[..., None]) -> Any:
    """TFX's decorator `component`, for a component whose executor is a `Recording`.

    Args:
        function: The component as a function, see TFX's decorator.
    """
    made = component(function)
    executor = recorded(made.EXECUTOR_SPEC.executor_class)
    # Where TFX registers it: a pod imports the executor by its name.
    setattr(sys.modules[executor.__module__], executor.__name__, executor)
    made.EXECUTOR_SPEC = ExecutorClassSpec(executor)
    return made


def read_raw_files(output: Artifact, raw_dir: Path, digest: str) -> None:
    """Tell the record of an output that raw files were read.

    Args:
        output: The output.
        raw_dir: Their folder.
        digest: Their content as `belka.raw_directory.raw_digest` gives it.
    """
    output.set_string_custom_property(RAW_DIR, place_of(raw_dir))
    output.set_string_custom_property(RAW_DIGEST, digest)


def versioned(node: BaseComponent) -> BaseComponent:
    """Give a node of a pipeline the parameters that name it and its code, which makes them part of its cache key.

    Args:
        node: The node, with its id.
    """
    parameters = node.exec_properties
    modules = executed_modules(node.executor_spec.executor_class, parameters)
    parameters |= {NODE: str(node.id), CODE_VERSION: code_version(*modules)}
    return node


def executed_modules(executor: type, exec_properties: Mapping[str, Any]) -> tuple[str, ...]:
    """The modules that a node starts from: its executor's, and those of the functions that its parameters name."""
    named = (str(exec_properties.get(name) or "") for name in _FUNCTIONS)
    return (executor.__module__, *(name.rpartition(".")[0] for name in named if name))


@contextmanager
def _alone_in_their_folders(input_dict: Artifacts) -> Iterator[Artifacts]:
    """The inputs as TFX's executors read them: a schema is the only file in its folder."""
    with TemporaryDirectory() as root:
        readable = dict(input_dict)
        for name, artifacts in input_dict.items():
            if all(each.type_name == Schema.TYPE_NAME for each in artifacts):
                readable[name] = copies = [copy.deepcopy(each) for each in artifacts]
                for number, each in enumerate(copies):
                    folder = Path(root) / name / str(number)
                    shutil.copytree(each.uri, folder, ignore=shutil.ignore_patterns(PROVENANCE_FILE))
                    each.uri = str(folder)
        yield readable


def _record(artifact: Artifact, made: Record, read: ReadInputs) -> None:
    """Write provenance.json of an output, and of the folder outside the pipeline root that it was pushed to."""
    folder = Path(artifact.uri)
    if not folder.is_dir():
        return
    if not made.run:  # Kubeflow Pipelines tells executors no run: it is the part of the URI before the node's
        before, _, after = place_of(folder).partition(f"/{made.step}/")
        made = made.model_copy(update={"run": before.rpartition("/")[2] if after else ""})
    if raw := digests_by_name(artifact.get_string_custom_property(RAW_DIGEST)):
        place = Input(name=RAW_DIR, uri=artifact.get_string_custom_property(RAW_DIR), digest=files_digest(raw))
        made = made.model_copy(update={"raw_files": raw, "inputs": (place,)})
    pushed = artifact.get_string_custom_property(PUSHED_TO)
    if pushed:
        # A model that had been pushed before keeps the record of its own training.
        version = local_of(pushed)
        known = _whole_record(version) or write_provenance(version, made, read)
        made = made.model_copy(update={"delivered": {pushed: known.digest}})
    write_provenance(folder, made, read)


def _whole_record(folder: Path) -> Provenance | None:
    try:
        return read_provenance(folder)
    except InputError as error:
        logger.warning("%s It is now %s, and the model is recorded anew.", error, set_aside(folder / PROVENANCE_FILE))
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def plain_settings(exec_properties: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the result, JSON texts as what they hold."""
    found: dict[str, Any] = {}
    for name, value in exec_properties.items():
        if name in (NODE, CODE_VERSION) or value in (None, "", "null"):
            continue
        try:
            found[name] = json.loads(str(value)) if str(value)[:1] in ("{", "[") else str(value)
        except ValueError:
            found[name] = str(value)
    return found
